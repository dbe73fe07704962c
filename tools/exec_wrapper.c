// Runs a riscv64 busybox applet under qemu-riscv64: linked as NAME, it executes
//     $QEMU -0 NAME $BUSYBOX ARGUMENT...
// qemu-riscv64 has the host execute what its guest executes, which fails where no binfmt_misc entry
// is registered; with these in $PATH a guest's script runs all the same.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char **arguments = calloc((size_t)argc + 5, sizeof(char *));
    char *slash = strrchr(argv[0], '/');

    if (!arguments || !getenv("QEMU") || !getenv("BUSYBOX"))
        return 125;
    arguments[0] = getenv("QEMU");
    arguments[1] = "-0";
    arguments[2] = slash ? slash + 1 : argv[0];
    arguments[3] = getenv("BUSYBOX");
    for (int i = 1; i < argc; i++)
        arguments[3 + i] = argv[i];
    execv(arguments[0], arguments);
    return 126;
}
