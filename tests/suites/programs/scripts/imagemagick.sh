# Needs: convert identify
convert -size 120x80 gradient:red-blue g.png; identify -format '%m %wx%h\n' g.png; convert g.png -resize 50% -rotate 90 -blur 0x2 r.jpg; identify -format '%m %wx%h\n' r.jpg; convert g.png -depth 8 rgb:- | md5sum; compare -metric AE g.png g.png null: 2>&1; echo; convert nothing.png x.png 2>/dev/null; echo $?
