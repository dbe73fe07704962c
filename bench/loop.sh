# loop.sh COUNT PROGRAM: runs an external program COUNT times.
i=0
while [ $i -lt "$1" ]; do
    "$2"
    i=$((i + 1))
done
