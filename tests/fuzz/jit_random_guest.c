// Runs a case of jit_random.py: code at a fixed place over memory at a fixed place, with all registers
// given. Whatever the code does wrong becomes a signal; its handler writes down all registers and goes
// on behind the instruction, or does something to the memory first. At the end the records and the
// memory go to stdout: two engines agree if those are the same.
//
// usage: jit_random_guest CASE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

// The places, and what CASE holds: this header, then from 4096 on the code. jit_random.py knows, too.
#define CODE 0x10000000UL
#define DATA 0x20000000UL
enum { WAY_BACK = 4, PAGE = 4096, DATA_PAGES = 10, MAX_PATCHES = 16, MAX_RECORDS = 600 };

enum { CODE_FROM_FILE, CODE_ANONYMOUS, CODE_WRITABLE };

struct patch {
    uint64_t when; // after so many records
    uint32_t offset, size;
    uint64_t bytes;
};

struct header {
    uint64_t size, entry, end; // bytes of code; offsets
    uint64_t seed, manner, passes, forks, timer_us, shared, faults, patches;
    uint64_t x[32], f[32], fcsr;
    struct patch patch[MAX_PATCHES];
};

struct record {
    uint64_t signal, pc, address, fcsr, x[32], f[32];
};

static struct header c;
static struct record records[MAX_RECORDS];
static uint64_t count, passes, random_state;
static pid_t onlooker[4]; // children that share the memory and do nothing
static int onlookers;
static uint64_t closed; // mask of pages of code that must not be executed now
static const char nothing[PAGE];
uint64_t saved_tp;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

static void write_all(const void *from, size_t size)
{
    while (size) {
        ssize_t n = write(1, from, size);

        if (n <= 0)
            die("write");
        from = (const char *)from + n;
        size -= (size_t)n;
    }
}

// ---- Memory ---------------------------------------------------------------------------------

static int protection(int page)
{
    static const int of[DATA_PAGES] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, -1,
                                       PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
                                       PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                                       PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};

    return of[page];
}

static char *data_page(int page)
{
    return (char *)DATA + page * PAGE;
}

// One page is behind the file's end.
static void map_beyond(int page, int fd)
{
    if (mmap(data_page(page), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 1 << 20) == MAP_FAILED)
        die("data");
}

static void map_data(int fd)
{
    for (int page = 0; page < DATA_PAGES; page++) {
        int kind = c.shared && (page == 6 || page == 7) ? MAP_SHARED : MAP_PRIVATE;
        uint64_t *p = mmap((void *)(DATA + (uint64_t)page * PAGE), PAGE, PROT_READ | PROT_WRITE,
                           kind | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        if (p == MAP_FAILED)
            die("data");
        for (int i = 0; i < PAGE / 8; i++) {
            p[i] = random_next();
            if (i % 4 == 1) // a double of moderate size
                p[i] = (p[i] & 0x800fffffffffffff) | (0x3f0 + (p[i] >> 52 & 31)) << 52;
            else if (i % 4 == 2) // a boxed float
                p[i] = 0xffffffff00000000 | (p[i] & 0x807fffff) | (0x70 + (p[i] >> 52 & 31)) << 23;
        }
        if (protection(page) < 0)
            munmap(p, PAGE);
        else
            mprotect(p, PAGE, protection(page));
    }
    if (c.faults && c.seed >> 32 & 1)
        map_beyond(5, fd);
}

static int code_protection(void)
{
    return PROT_READ | PROT_EXEC | (c.manner == CODE_WRITABLE ? PROT_WRITE : 0);
}

static void map_code(int fd)
{
    uint64_t size = (c.size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    int prot = c.manner == CODE_FROM_FILE ? PROT_READ | PROT_EXEC : PROT_READ | PROT_WRITE;
    int flags = MAP_FIXED | MAP_PRIVATE | (c.manner == CODE_FROM_FILE ? 0 : MAP_ANONYMOUS);

    if (mmap((void *)CODE, size, prot, flags, c.manner == CODE_FROM_FILE ? fd : -1, PAGE) == MAP_FAILED)
        die("code");
    if (c.manner == CODE_FROM_FILE)
        return;
    if (pread(fd, (void *)CODE, c.size, PAGE) != (ssize_t)c.size)
        die("code");
    if (mprotect((void *)CODE, size, code_protection()) < 0)
        die("mprotect");
}

static void apply(const struct patch *p)
{
    char *at = (char *)CODE + p->offset, *page = (char *)((uint64_t)at & ~(uint64_t)(PAGE - 1));
    int may_store = c.manner == CODE_WRITABLE && !c.faults;

    if (!may_store && mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE) < 0)
        mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    memcpy(at, &p->bytes, p->size);
    if (!may_store && mprotect(page, 2 * PAGE, code_protection()) < 0)
        mprotect(page, PAGE, code_protection());
    __builtin___clear_cache(at, at + p->size);
}

// ---- Signals --------------------------------------------------------------------------------

static void arm(void)
{
    struct itimerval value = {.it_value.tv_usec = 1 + (long)(random_next() % c.timer_us)};

    if (count < MAX_RECORDS / 2)
        setitimer(ITIMER_REAL, &value, NULL);
}

static void begin(ucontext_t *u)
{
    for (int i = 1; i < 32; i++)
        u->uc_mcontext.__gregs[i] = c.x[i];
    for (int i = 0; i < 32; i++)
        u->uc_mcontext.__fpregs.__d.__f[i] = c.f[i];
    u->uc_mcontext.__fpregs.__d.__fcsr = (uint32_t)c.fcsr;
    u->uc_mcontext.__gregs[0] = CODE + c.entry;
}

static void finish(void)
{
    struct itimerval none = {0};

    setitimer(ITIMER_REAL, &none, NULL);
    for (int i = 0; i < onlookers; i++) {
        kill(onlooker[i], SIGKILL);
        waitpid(onlooker[i], NULL, 0);
    }
    write_all(&count, sizeof(count));
    write_all(records, sizeof(records[0]) * count);
    for (int page = 0; page < DATA_PAGES; page++) {
        if (protection(page) < 0)
            continue;
        int gone = mprotect(data_page(page), PAGE, PROT_READ) < 0 || (c.faults && page == 5);
        write_all(gone ? nothing : data_page(page), PAGE);
    }
    _exit(0);
}

static void note(int signal, uint64_t address, const ucontext_t *u)
{
    struct record *r = &records[count++];

    r->signal = (uint64_t)signal;
    r->pc = u->uc_mcontext.__gregs[0];
    r->address = address;
    r->fcsr = u->uc_mcontext.__fpregs.__d.__fcsr;
    for (int i = 1; i < 32; i++)
        r->x[i] = u->uc_mcontext.__gregs[i];
    for (int i = 0; i < 32; i++)
        r->f[i] = u->uc_mcontext.__fpregs.__d.__f[i];
}

// The memory as it is becomes shared, so that each page is copied when it is stored to next.
static void share(void)
{
    if (onlookers == sizeof(onlooker) / sizeof(onlooker[0]))
        return;
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    if (pid < 0)
        die("fork");
    onlooker[onlookers++] = pid;
}

// More of that, with --faults.
static void disturb_more(uint64_t r)
{
    char *any = data_page((int)((r >> 8) % (DATA_PAGES - 2)));
    uint64_t pages = (c.size + PAGE - 1) / PAGE;

    switch (r % 16) {
    case 2:
        munmap(any, PAGE);
        break;
    case 3:
        if (mmap(any, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            die("data");
        break;
    case 4:
    case 5:
        pages = (r >> 8) % pages % 64;
        closed |= 1UL << pages;
        mprotect((char *)CODE + pages * PAGE, PAGE, PROT_READ);
        break;
    case 6:
        share();
        break;
    }
}

// Now and then another protection for the page that faulted, or for any but the last two. True: try
// again.
static int disturb(uint64_t address)
{
    static const int choice[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
    uint64_t r = random_next();

    if (c.faults)
        disturb_more(r >> 40);
    if (r % 8 == 0)
        mprotect(data_page((int)((r >> 8) % (DATA_PAGES - 2))), PAGE, choice[r >> 32 & 3]);
    if (r % 8 != 1 || address < DATA || address >= DATA + DATA_PAGES * PAGE)
        return 0;
    return mprotect((void *)(address & ~(uint64_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) == 0;
}

// Whether a page of code had been closed, and this opened it.
static int open_code(uint64_t address)
{
    uint64_t page = (address - CODE) / PAGE;

    if (page >= 64 || !(closed >> page & 1))
        return 0;
    closed &= ~(1UL << page);
    return mprotect((char *)CODE + page * PAGE, PAGE, code_protection()) == 0;
}

__attribute__((used)) void handle(int signal, siginfo_t *info, ucontext_t *u)
{
    unsigned long *pc = &u->uc_mcontext.__gregs[0];
    uint64_t address = signal == SIGSEGV || signal == SIGBUS ? (uint64_t)info->si_addr : 0;

    if (passes == 0) {
        passes = 1;
        begin(u);
        if (c.timer_us)
            arm();
        return;
    }
    note(signal, address, u);
    if (count == MAX_RECORDS)
        finish();
    for (uint64_t i = 0; i < c.patches; i++)
        if (c.patch[i].when == count)
            apply(&c.patch[i]);
    if (signal == SIGSEGV && open_code(address))
        return;
    if (signal == SIGALRM) {
        arm();
    } else if (signal == SIGUSR1 || signal == SIGUSR2) {
        disturb(0);
    } else if (*pc == CODE + c.end) {
        if (passes++ == c.passes)
            finish();
        begin(u);
    } else if (*pc < CODE || *pc >= CODE + c.size) {
        *pc = u->uc_mcontext.__gregs[WAY_BACK];
    } else if (signal != SIGSEGV || !disturb(address)) {
        *pc += (*(uint16_t *)*pc & 3) == 3 ? 4 : 2;
    }
}

// The handler is entered with the case's gp and tp.
void entry(int signal);
__asm__(".text\n.balign 4\nentry:\n"
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "lla t0, saved_tp\nld tp, 0(t0)\nj handle\n");

int main(int argc, char **argv)
{
    static char stack[65536];
    static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGALRM, SIGUSR1, SIGUSR2};
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    int fd = open(argc > 1 ? argv[1] : "", O_RDONLY);

    if (fd < 0 || read(fd, &c, sizeof(c)) != sizeof(c))
        die("case");
    random_state = c.seed | 1;
    map_data(fd);
    map_code(fd);
    __asm__("mv %0, tp" : "=r"(saved_tp));
    action.sa_sigaction = (void (*)(int, siginfo_t *, void *))(void *)entry;
    sigfillset(&action.sa_mask);
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
        sigaction(caught[i], &action, NULL);
    for (uint64_t i = 0; i < c.forks; i++) { // children run it first, each over memory of its own
        pid_t child = fork();

        if (child == 0)
            break;
        if (child < 0 || waitpid(child, NULL, 0) < 0)
            die("fork");
    }
    __asm__ volatile("ebreak" ::: "memory");
    return 4;
}
