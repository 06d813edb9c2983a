#!/bin/bash
# Needs: git
# Hooks, bisect run, interactive rebase, format-patch, am, apply.
export GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' GIT_PAGER=cat GIT_TERMINAL_PROMPT=0
git config --global user.email a@b
git config --global user.name n
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git config --global advice.detachedHead false

echo '-- hooks'
git init -q r
cd r || exit
cat > .git/hooks/pre-commit <<'H'
#!/bin/sh
! grep -q forbidden -r . --include='*.txt' || { echo refused; exit 1; }
H
cat > .git/hooks/commit-msg <<'H'
#!/bin/sh
echo "Checked: yes" >> "$1"
H
cat > .git/hooks/post-commit <<'H'
#!/bin/sh
echo "made $(git rev-list --count HEAD)"
H
chmod +x .git/hooks/{pre-commit,commit-msg,post-commit}
echo forbidden > x.txt
git add x.txt
git commit -qm no 2>&1
echo "= $?"
echo fine > x.txt
git add x.txt
git commit -qm yes 2>&1
git log --format=%B
rm .git/hooks/post-commit

echo '-- bisect'
for i in $(seq 1 12); do
  echo "$i" > count
  git add count
  git commit -qm "count $i"
done
git bisect start -q HEAD HEAD~11 2>&1 | tail -1
git bisect run sh -c 'test $(cat count) -lt 8' 2>&1 | grep 'is the first bad'
git bisect log | tail -1
git bisect reset 2>&1
git log -1 --format=%s

echo '-- rebase'
git checkout -qb topic
GIT_SEQUENCE_EDITOR="sed -i -e '2s/pick/squash/' -e '4s/pick/drop/'" GIT_EDITOR=true git rebase -q -i HEAD~5 2>&1 | tail -3
git status --short
git rebase --abort 2>&1
git log -2 --format='%h %s'
git checkout -q main
GIT_SEQUENCE_EDITOR="sed -i '1s/pick/reword/'" GIT_EDITOR="sed -i '1s/^/reworded /'" git rebase -q -i HEAD~2 2>&1
git log -2 --format='%h %s'

echo '-- patches'
git format-patch -o ../patches -2 | wc -l
git checkout -q HEAD~2
git am ../patches/*.patch 2>&1
git diff main --stat
git checkout -q main
git diff HEAD~3 HEAD > ../p.diff
git apply --check -R ../p.diff && git apply -R ../p.diff && git diff --stat && git checkout -q .
