# Needs: python3 pip3
# Figure: pip-list pip list
. "$(dirname "$0")/../timing.bash"
figure pip-list 1 pip3 list --disable-pip-version-check > list; grep ^@ list; grep -v ^@ list | md5sum
python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'
