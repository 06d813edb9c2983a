# Needs: pandoc
printf '# Title\n\nSome *text* with `code`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n' > t.md
pandoc t.md; pandoc t.md -t latex; pandoc t.md -s -o t.epub --metadata title=T && unzip -l t.epub | awk '{print $4}' | sort; pandoc t.md -o t.docx && pandoc t.docx -t markdown; pandoc nothing.md; echo $?
