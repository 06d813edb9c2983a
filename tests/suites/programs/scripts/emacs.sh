# Needs: emacs
cat > t.el <<'L'
(princ (format "%s\n" (mapcar (lambda (x) (* x x)) '(1 2 3)))) (with-temp-file "f" (insert "b\na\n") (sort-lines nil (point-min) (point-max)))
(princ (with-temp-buffer (insert-file-contents "f") (buffer-string))) (princ (shell-command-to-string "echo shell")) (princ (format "%S\n" (call-process "false")))
(let ((p (start-process "s" "*s*" "sh" "-c" "sleep 0.05; echo async"))) (set-process-sentinel p #'ignore) (while (process-live-p p) (accept-process-output p 0.1)) (while (accept-process-output p 0.1)) (with-current-buffer "*s*" (princ (buffer-string))))
(require 'json) (princ (json-encode '((a . 1)))) (princ "\n") (princ (directory-files "." nil "^[ft]")) (kill-emacs 3)
L
emacs -Q -batch -l t.el; echo $?; emacs -Q -batch -f batch-byte-compile t.el 2>&1 | grep -c rror; ls
printf '* Title\n- a\n- b\n' > o.org; emacs -Q -batch o.org --eval '(progn (require (quote ox-ascii)) (setq org-ascii-charset (quote ascii) org-export-with-author nil) (org-ascii-export-to-ascii))' >/dev/null 2>&1; cat o.txt
