#!/bin/sh
# Needs: tmux
# A terminal multiplexer: a server with pseudoterminals, clients over a local socket.
export TERM=xterm
tmux="tmux -f /dev/null -S $PWD/socket"
$tmux new-session -d -x 80 -y 24 'stty size; echo ready; read line; echo got $line; exec cat'
shows() { # until a pane shows the text
  until $tmux capture-pane -p -t "$1" | grep -q "$2"; do sleep 0.05; done
  $tmux capture-pane -p -t "$1" | grep -v '^$'
}
shows :0.0 ready
$tmux send-keys -t :0.0 'some text' Enter
shows :0.0 'got some text'
$tmux split-window -h 'stty size; echo ready; read line; echo got $line; exec cat'
shows :0.1 ready
$tmux list-panes | cut -c1-10
$tmux send-keys -t :0.1 C-c
until [ "$($tmux list-panes | wc -l)" = 1 ]; do sleep 0.05; done
$tmux list-panes | cut -c1-10
$tmux kill-server
echo $?
