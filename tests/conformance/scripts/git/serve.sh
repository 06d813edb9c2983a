#!/bin/bash
# Needs: git
# Conflicts, bundles, submodules, worktrees, notes, packing, a server on the loopback.
export GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' GIT_PAGER=cat GIT_TERMINAL_PROMPT=0
git config --global user.email a@b
git config --global user.name n
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git config --global advice.detachedHead false

git init -q r
cd r || exit
echo fine > x.txt
for i in 1 2 3 4; do
  echo "$i" > count
  git add .
  git commit -qm "count $i"
done

echo '-- merge conflict, rerere'
git config rerere.enabled true
git checkout -qb left HEAD~1
echo left > count
git commit -qam left
git checkout -qb right HEAD~1
echo right > count
git commit -qam right
git merge left 2>&1
git status --porcelain=v2 | cut -c1-30
git merge --abort
git merge -X ours -m 'ours wins' left 2>&1 | head -1
git log --graph --oneline --decorate -4
git revert --no-edit -m 1 HEAD 2>&1 | head -1
git cherry-pick main~3 2>&1 | grep -c CONFLICT
git cherry-pick --abort
git shortlog -sn HEAD
git reflog | wc -l

echo '-- bundle, archive, notes, submodule, worktree'
git bundle create -q ../b main
git bundle verify -q ../b 2>&1
git clone -q -b main ../b ../frombundle
git -C ../frombundle log -1 --format=%s
git archive --prefix=p/ HEAD | tar t
git notes add -m note HEAD
git notes show
cd ..
git init -q super
cd super || exit
git submodule add -q "$(pwd)/../r" sub 2>&1
git commit -qm 'add sub'
cat .gitmodules | sed 's/[0-9]//g' | head -2
git submodule status | cut -c1-20
git clone -q --recurse-submodules . ../superclone 2>&1
ls ../superclone/sub
git worktree add -q -b wt ../wt
git worktree list | wc -l
git -C ../wt status --short --branch
git worktree remove ../wt

echo '-- maintenance'
cd ../r || exit
git gc -q --aggressive --prune=now
git fsck --full --strict 2>&1
git count-objects -v | grep -v size
git repack -adq --window=5
git verify-pack -v .git/objects/pack/*.idx | tail -1 | sed 's/.*pack: ok/ok/'
git prune
git for-each-ref | wc -l
git grep -n fine -- '*.txt'
git log -p --format=%s -1 -- count
git blame -s count
git ls-tree -r HEAD | wc -l
git stash list | wc -l
git diff --no-index x.txt count
git config --list --show-origin | grep -c file:

echo '-- server'
git checkout -q main
git clone -q --bare . ../served.git
touch ../served.git/git-daemon-export-ok
git daemon --reuseaddr --listen=127.0.0.1 --port=9418 --base-path="$(pwd)/.." --enable=receive-pack --detach --pid-file=../pid
for try in 1 2 3 4 5 6 7 8 9; do git ls-remote -q git://127.0.0.1/served.git main > ../ls 2>/dev/null && break; sleep 0.1; done
cut -c1-8 ../ls
git clone -q git://127.0.0.1/served.git ../fetched
cd ../fetched || exit
echo new > new
git add new
git commit -qm new
git push -q origin main 2>&1
git -C ../served.git log -1 --format='%h %s'
git ls-remote git://127.0.0.1/nothing.git 2>&1 | tail -1
kill "$(cat ../pid)"
