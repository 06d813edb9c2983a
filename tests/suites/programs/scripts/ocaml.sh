# Needs: ocaml ocamlc ocamlopt gcc
cat > t.ml <<'M'
module S = Set.Make(Int)
let rec fib n = if n < 2 then n else fib (n - 1) + fib (n - 2)
let () = Printf.printf "%d\n" (fib 22); let s = List.fold_right S.add [3; 1; 2; 3] S.empty in S.iter (Printf.printf "%d ") s; print_newline ();
  let oc = open_out "f" in output_string oc "hello\n"; close_out oc; let ic = open_in "f" in print_endline (input_line ic); close_in ic;
  (try ignore (open_in "nothing") with Sys_error e -> print_endline e); Printf.printf "%d\n" (Sys.command "exit 3"); exit 4
M
ocaml t.ml; echo $?; ocamlc -o b t.ml; ./b; echo $?; ocamlopt -o n t.ml; ./n; echo $?
