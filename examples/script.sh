#!/bin/sh
# script.sh - an ordinary shell script, which is to say: several hundred forks and execs.
#
# It does nothing useful, in every way in which shell scripts do useful things: pipelines,
# subshells, command substitutions, here-documents, background jobs and wait, traps, loops around
# external programs, find | sort | uniq -c. It runs in any POSIX shell (written for busybox ash
# and dash), writes only below a temporary directory that it removes, and prints the same on every
# machine; the last line is the number of failed expectations.
#
#     time sh script.sh
#     time tine run -L ROOT ROOT/bin/busybox sh script.sh
#
# `command -p` is avoided and every external program is one that busybox has, too.

LC_ALL=C
export LC_ALL
umask 022
failed=0

work=$(mktemp -d "${TMPDIR:-/tmp}/tine-script-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# expect NAME WANTED GOT: prints one line, and counts.
expect() {
    if [ "$2" = "$3" ]; then
        echo "ok   $1"
    else
        echo "FAIL $1: wanted '$2', got '$3'"
        failed=$((failed + 1))
    fi
}

# ---- 1. A loop around an external program: fork + exec + wait, a hundred times.
i=0
while [ $i -lt 100 ]; do
    env true || failed=$((failed + 1))
    i=$((i + 1))
done
expect "100 programs in a loop" 100 $i

# ---- 2. Command substitution: fork, and a pipe that is read to its end.
sum=0
i=1
while [ $i -le 40 ]; do
    sum=$((sum + $(expr $i \* 2)))
    i=$((i + 1))
done
expect "40 command substitutions" 1640 $sum
expect "nested substitution" "a b c" "$(echo $(echo $(echo a) b) c)"
expect "status of a substitution" 3 "$(x=$(exit 3); echo $?)"

# ---- 3. Pipelines: every stage is a process, and they run at the same time.
expect "three stages" 5 "$(seq 1 50 | grep 7 | wc -l | tr -d ' ')"
expect "seven stages" "J1" \
    "$(printf 'c\nj\na\n' | cat | sort | tail -n 1 | tr a-z A-Z | sed 's/$/1/' | cat)"
expect "a large pipe" 300000 "$(head -c 300000 /dev/zero | cat | cat | wc -c | tr -d ' ')"
expect "the reader leaves first" "y y y" "$(yes | head -n 3 | tr '\n' ' ' | sed 's/ $//')"
i=0
while [ $i -lt 20 ]; do
    echo "line $i"
    i=$((i + 1))
done | while read -r word number; do
    echo "$number $word" | sed 's/line/row/'
done | sort -n | tail -n 1 > last
expect "a loop in a pipeline" "19 row" "$(cat last)"

# ---- 4. Subshells have a copy of everything: a change in one is lost with it.
value=outside
(value=inside; cd /; umask 077; trap 'exit 9' EXIT; exit 4)
expect "status of a subshell" 9 $?
expect "variables are a copy" outside "$value"
expect "the directory is a copy" "$work" "$(pwd)"
expect "umask is a copy" 0022 "$(umask)"
depth() { if [ "$1" -gt 0 ]; then (depth $(($1 - 1)) | cat); else echo bottom; fi; }
expect "twelve subshells deep" bottom "$(depth 12)"

# ---- 5. Here-documents, with and without expansion.
name=world
cat > here << END
hello $name, $(echo two) and $((1 + 2))
END
cat >> here << 'END'
hello $name
END
expect "here-documents" 'hello world, two and 3+hello $name' "$(paste -s -d + here)"
i=0
while [ $i -lt 15 ]; do
    cat << END
$i
END
    i=$((i + 1))
done > numbers
expect "15 here-documents" 105 "$(awk '{ n += $1 } END { print n }' numbers)"

# ---- 6. Background jobs: they end in any order; wait collects each one's status.
pids=
for status in 1 2 3 4 5 6 7 8; do
    (exit $status) &
    pids="$pids $!"
done
seen=
for pid in $pids; do
    wait "$pid"
    seen="$seen$?"
done
expect "eight background jobs" 12345678 "$seen"

for n in 1 2 3 4 5; do
    (seq 1 "$n" | tr -d '\n' > "job$n") &
done
wait
expect "five writers" "1 12 123 1234 12345" "$(for n in 1 2 3 4 5; do cat job$n; echo; done |
    tr '\n' ' ' | sed 's/ $//')"

sleep 100 &
kill $!
wait $! 2> /dev/null
expect "a killed job" 143 $?

# ---- 7. Traps: signals from outside, from a child, and at the end.
got=
trap 'got=${got}u' USR1
kill -USR1 $$
sh -c 'kill -USR1 $PPID'
trap - USR1
expect "two signals" uu "$got"
expect "a trap at exit" "body end" "$(trap 'echo " end"' EXIT; printf body)"
expect "an ignored signal" alive "$( (trap '' TERM; sh -c 'kill -TERM $PPID'; echo alive) )"
expect "a deadly signal" 137 "$( { sh -c 'kill -KILL $$'; echo $?; } 2> /dev/null)"

# ---- 8. A tree of files, and the favourite pipeline.
for dir in red green blue; do
    mkdir -p "tree/$dir"
    for ext in c c c h txt; do
        n=$((n + 1))
        echo "$dir $ext" > "tree/$dir/$n.$ext"
    done
done
find tree -type f | sed 's/.*\.//' | sort | uniq -c | sort -rn | awk '{ print $1, $2 }' > census
expect "find | sort | uniq -c" "9 c,3 txt,3 h" "$(paste -s -d , census)"
expect "find -exec" 15 "$(find tree -type f -exec cat {} \; | wc -l | tr -d ' ')"
expect "find | xargs" 5 "$(find tree -name '*.*' -print | sort | xargs -n 3 echo | grep -c .)"
expect "for and basename" "blue green red" \
    "$(for dir in tree/*; do basename "$dir"; done | paste -s -d ' ')"
ln -s tree/red link && mv tree/blue tree/indigo && rm -r tree/green
expect "files moved and removed" "indigo red" "$(ls tree | paste -s -d ' ')"
expect "a symbolic link" "tree/red" "$(readlink link)"

# ---- 9. A script that runs scripts, by #! and by dot.
cat > child.sh << 'END'
#!/bin/sh
[ "$1" -le 0 ] && { echo "done $LEVEL"; exit 0; }
LEVEL=$((LEVEL + 1)) exec "$0" $(($1 - 1))
END
chmod +x child.sh
expect "ten execs in a row" "done 10" "$(LEVEL=0 sh ./child.sh 10)"
echo 'dotted=yes' > dot.sh
. ./dot.sh
expect "a dotted file" yes "$dotted"
expect "a missing program" 127 "$(no-such-program-here 2> /dev/null; echo $?)"
expect "not executable" 126 "$(./dot.sh 2> /dev/null; echo $?)"

# ---- 10. Redirections: dup2 in all directions.
{ echo out; echo err >&2; } > both 2>&1
expect "both streams" "out err" "$(paste -s -d ' ' both)"
expect "only the errors" err "$( { echo out; echo err >&2; } 2>&1 > /dev/null)"
exec 5> five
echo one >&5
(echo two >&5)
sh -c 'echo three >&5'
exec 5>&-
expect "a descriptor kept open" "one two three" "$(paste -s -d ' ' five)"
# (In a shell of its own: in busybox 1.38 `read` spins once a signal has been trapped.)
expect "reading from another one" 105 \
    "$(sh -c 'i=0; while read -r n <&6; do i=$((i + n)); done; echo $i' 6< numbers)"
mkfifo fifo
(seq 1 10 > fifo) &
expect "a named pipe" 55 "$(awk '{ n += $1 } END { print n }' < fifo)"
wait

# ---- 11. Sixty more small children, in three ways at once.
i=0
while [ $i -lt 20 ]; do
    (echo "$(expr $i + 1)" | sed 's/^/n/' >> list)
    i=$((i + 1))
done
expect "sixty more" n20 "$(sort -k 1.2n list | tail -n 1)"

echo "$failed failed"
exit $((failed > 0))
