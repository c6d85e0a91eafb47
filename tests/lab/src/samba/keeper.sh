#!/bin/sh
# Runs a domain controller, and ends it when nobody needs it any more. First of its process group, so that one signal to
# the group ends everything.
#
# usage: keeper.sh SMB_CONF RUN_DIR LAST_USED
# LAB_OWNER, when set, is a process id: without that process the controller ends. It also ends after an hour without use.
set -u
smb_conf=$1 run=$2 last_used=$3

# --no-process-group: the controller and its children stay in this group.
samba --interactive --no-process-group --model=prefork --debuglevel=1 --configfile="$smb_conf" \
    --option="pid directory=$run" --option="ncalrpc dir=$run/ncalrpc" </dev/null &
controller=$!

while kill -0 "$controller" 2>/dev/null; do
    sleep 2
    if [ -n "${LAB_OWNER:-}" ] && ! kill -0 "$LAB_OWNER" 2>/dev/null; then
        echo "keeper: process $LAB_OWNER, which this domain was started for, is gone"
        break
    fi
    if [ -n "$(find "$last_used" -mmin +60 2>/dev/null)" ] || [ ! -e "$last_used" ]; then
        echo "keeper: nobody used this domain for an hour"
        break
    fi
done

trap '' TERM
kill -TERM 0
for _ in 1 2 3 4 5; do
    kill -0 "$controller" 2>/dev/null || break
    sleep 1
done
kill -KILL 0
