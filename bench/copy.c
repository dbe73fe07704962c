// copy: the unit of all figures: a hot copy of 4 KiB between resident buffers, and one of 16 MiB.
// Run natively only.
#include "bench.h"

static double copies(size_t bytes, int count)
{
    double times[31];
    unsigned char *from = resident(bytes), *to = resident(bytes);

    for (int r = 0; r < 31; r++) {
        double begin = now_us();

        for (int i = 0; i < count; i++) {
            memcpy(to, from, bytes);
            __asm__ volatile("" ::"r"(to) : "memory");
        }
        times[r] = (now_us() - begin) / count;
    }
    return median(times, 31);
}

int main(void)
{
    printf("page_copy %.5f\n", copies(4096, 20000));
    printf("copy_16m %.3f\n", copies(16 << 20, 1));
    return 0;
}
