# Needs: ssh-keygen ssh-agent sshd ssh scp
umask 077; ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t rsa -b 2048 -N '' -C me -f key; ssh-keygen -l -f key.pub | cut -d' ' -f1,3-; cp key.pub authorized; printf '[127.0.0.1]:2022 %s\n' "$(cut -d' ' -f1,2 host.pub)" > known
mkdir -p /run/sshd; cat > conf <<C
Port 2022
ListenAddress 127.0.0.1
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
PidFile $PWD/pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp /usr/lib/openssh/sftp-server
C
/usr/sbin/sshd -t -f conf; /usr/sbin/sshd -f conf -E log; printf 'Host s\nHostName 127.0.0.1\nPort 2022\nUserKnownHostsFile %s/known\nIdentityFile %s/key\nIdentitiesOnly yes\nUser %s\nControlPath %s/ctl\n' "$PWD" "$PWD" "$(id -un)" "$PWD" > sshconf
for i in 1 2 3 4 5 6 7 8 9; do [ -s pid ] && break; sleep 0.1; done
ssh -F sshconf s 'echo over ssh; exit 7'; echo $?; echo data | ssh -F sshconf s 'tr a-z A-Z'; seq 3000 > f; scp -q -F sshconf f s:$PWD/g; cmp f g && echo copied; echo "get $PWD/f $PWD/h" | sftp -q -b - -F sshconf s >/dev/null; cmp f h && echo fetched
ssh -F sshconf -tt s 'tty | sed "s/[0-9]*$//"; stty size' 2>/dev/null < /dev/null | tr -d '\r'; eval "$(ssh-agent -s)" >/dev/null; ssh-add -q key; ssh-add -l | cut -d' ' -f1,3-; ssh -A -F sshconf s 'ssh-add -l | wc -l'; ssh-agent -k > /dev/null
ssh -F sshconf -f -N -M s; ssh -F sshconf -O check s 2>&1 | sed 's/=[0-9]*//'; ssh -F sshconf s echo shared; ssh -F sshconf -O exit s 2>&1; ssh -F sshconf -i nokey -o IdentityFile=/nothing -o BatchMode=yes s true 2>&1 | tail -1
(ssh -F sshconf -L 127.0.0.1:2023:127.0.0.1:2022 -f s 'sleep 1'); exec 3<>/dev/tcp/127.0.0.1/2023; read -r banner <&3; echo "${banner%%_*}"; exec 3>&-; kill $(cat pid); grep -c Accepted log
