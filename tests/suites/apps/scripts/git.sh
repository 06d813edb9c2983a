# Needs: git
# Figure: git-add git add of 5,000 files
# Figure: git-status git status, 5,000 files
# Figure: git-status-changed git status, some of them changed
. "$(dirname "$0")/../timing.bash"
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
git init -q -b main tree; cd tree || exit; git config user.name me; git config user.email me@here; git config gc.auto 0
for ((d = 0; d < 100; d++)); do mkdir "d$d"; for ((f = 0; f < 50; f++)); do echo "file $d $f" > "d$d/f$f"; done; done
figure git-add 1 git add .
git commit -q -m first; git rev-parse HEAD
figure git-status 1 git status --short --branch
echo more >> d7/f7; rm d8/f8; mkdir new; echo x > new/file; figure git-status-changed 1 git status --short
git stash -q -u; git status --short; git stash pop -q; git diff --stat; git gc -q; git fsck; git ls-files | wc -l
