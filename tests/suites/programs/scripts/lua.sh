# Needs: lua5.4
cat > t.lua <<'L'
local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1009 end table.sort(t) print(t[1], t[500], t[1000])
local f = assert(io.open("f", "w")) f:write("line 1\nline 2\n") f:close() for l in io.lines("f") do print(l) end
local p = io.popen("echo from popen; exit 3") print(p:read("a"), p:close())
print(os.execute("exit 5")) print(os.rename("f", "g"), os.remove("g"), os.remove("nothing"))
local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(c(), c(), c())
print(string.format("%5.2f %q %x", 3.14159, "a\nb", 255), ("x"):rep(3), pcall(error, "e"), (function() local name = os.tmpname(); os.remove(name); return #name > 4 end)(), 2^53, 7 // 2, utf8.char(233))
L
lua5.4 t.lua; echo 'print(1+1)' | lua5.4 -; lua5.4 -e 'error("x")' 2>&1 | head -1
