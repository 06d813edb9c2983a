# Needs: sbcl guile tclsh
sbcl --script /dev/stdin <<'L'
(format t "~a ~a~%" (loop for i from 1 to 10 sum (* i i)) (expt 2 100)) (with-open-file (o "f" :direction :output :if-exists :supersede) (write-line "hello" o)) (with-open-file (i "f") (write-line (read-line i)))
(let ((th (sb-thread:make-thread (lambda () 42)))) (print (sb-thread:join-thread th))) (gc :full t) (handler-case (error "x") (error (e) (format t "~%caught ~a~%" e))) (print (sb-ext:process-exit-code (sb-ext:run-program "/bin/sh" '("-c" "exit 3")))) (terpri) (sb-ext:exit :code 4)
L
echo $?; guile --no-auto-compile -c '(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim)) (display (par-map (lambda (x) (* x x)) (list 1 2 3))) (newline) (let ((p (open-input-pipe "echo pipe"))) (display (read-line p)) (newline) (display (status:exit-val (close-pipe p)))) (newline)'
tclsh <<'T'
puts [lsort -integer {3 1 2}]; set f [open f2 w]; puts $f text; close $f; puts [file size f2]; puts [exec echo hi | tr a-z A-Z]; catch {exec false} e o; puts $e; set s [socket -server {apply {{c a p} {puts $c hello; close $c}}} -myaddr 127.0.0.1 0]; set c [socket 127.0.0.1 [lindex [fconfigure $s -sockname] 2]]; fileevent $c readable {set got [gets $c]}; vwait got; puts $got; after 20 {set done 1}; vwait done; exit 5
T
echo $?
