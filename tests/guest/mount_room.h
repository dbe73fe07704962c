/*
 * mount_room.h - a mount namespace of the test's own, and a tmpfs in it.
 */
#ifndef MOUNT_ROOM_H
#define MOUNT_ROOM_H

#include "room.h"

#include <stdbool.h>
#include <sys/mount.h>

#define FAILS(call, number)             \
    do {                                \
        CHECK_EQ((call), -1);           \
        CHECK_EQ(errno, (number));      \
    } while (0)

// For ends by exit: the directory that the tmpfs is on.
static inline void leave(void)
{
    char name[sizeof room];

    strcpy(name, room);
    if (chdir("/") == 0 && umount2(name, MNT_DETACH) == 0)
        rmdir(name);
}

static inline void begin(void)
{
    if (unshare(CLONE_NEWNS))
        check_skip("no mount namespace to be had");
    CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    strcpy(room, "/tmp/tine-mount-XXXXXX");
    CHECK(mkdtemp(room) != NULL);
    CHECK_EQ(mount("room", room, "tmpfs", 0, "mode=755"), 0);
}

static inline void make_dir(const char *name)
{
    CHECK_EQ(mkdir(at(name), 0755), 0);
}

static inline void make(const char *name, const char *text)
{
    int fd = open(at(name), O_CREAT | O_EXCL | O_RDWR, 0755);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    CHECK_EQ(close(fd), 0);
}

static inline bool has(const char *name, const char *text)
{
    char got[100] = "";
    int fd = open(at(name), O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got - 1);

    close(fd);
    return n == (ssize_t)strlen(text) && !strcmp(got, text);
}

static inline bool is_there(const char *name)
{
    return access(at(name), F_OK) == 0;
}

static inline struct stat stat_of(const char *name)
{
    struct stat s;

    CHECK_EQ(lstat(at(name), &s), 0);
    return s;
}

static inline bool cwd_is(const char *name)
{
    char path[PATH_MAX];

    return getcwd(path, sizeof path) && !strcmp(path, at(name));
}

// A process in a mount namespace of its own, where room/m/theirs is.
static inline pid_t namespace_of_a_child(void)
{
    int ready[2];
    char c;

    CHECK_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(unshare(CLONE_NEWNS), 0);
        make_dir("m");
        CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
        make("m/theirs", "");
        CHECK_EQ(write(ready[1], "x", 1), 1);
        pause();
    }
    CHECK_EQ(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

// The options that /proc/self/mountinfo shows for a mount point; NULL: it is not there.
static inline const char *options_of(const char *name)
{
    static char line[4096], found[256];
    char point[PATH_MAX], options[256];
    FILE *f = fopen("/proc/self/mountinfo", "r");
    bool is = false;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %*d %*s %*s %s %255s", point, options) == 2 && !strcmp(point, at(name)) && (is = true))
            strcpy(found, options);
    if (f)
        fclose(f);
    return is ? found : NULL;
}

#endif
