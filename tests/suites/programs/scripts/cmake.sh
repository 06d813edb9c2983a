# Needs: cmake ninja gcc g++ make
mkdir -p p/src; cat > p/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.16)
project(p C CXX)
find_package(Threads REQUIRED)
add_library(l SHARED src/l.c)
add_executable(m src/m.cpp)
target_link_libraries(m l Threads::Threads)
enable_testing()
add_test(NAME runs COMMAND m 3)
add_custom_command(OUTPUT gen.txt COMMAND ${CMAKE_COMMAND} -E echo made > gen.txt)
add_custom_target(g ALL DEPENDS gen.txt)
install(TARGETS m l)
C
echo 'int twice(int x) { return 2 * x; }' > p/src/l.c; cat > p/src/m.cpp <<'C'
#include <cstdlib>
#include <future>
#include <iostream>
#include <map>
#include <string>
extern "C" int twice(int);
int main(int c, char **v) { std::map<std::string, int> m{{"x", twice(c > 1 ? atoi(v[1]) : 1)}}; auto f = std::async(std::launch::async, [] { return 5; }); std::cout << m["x"] + f.get() << std::endl; try { throw 3; } catch (int e) { return e - 3; } }
C
cmake -S p -B b -G Ninja > log 2>&1; grep -c 'works' log; ninja -C b -j2 > log2; tail -1 log2 | cut -d']' -f2; b/m 4; (cd b && ctest 2>&1 | grep 'tests passed'); touch p/src/l.c; ninja -C b -n | tail -1 | cut -c1-2; cmake --install b --prefix $PWD/i > /dev/null; find i -type f | sort; cmake -S p -B b2 -G 'Unix Makefiles' > /dev/null; make -s -C b2 -j2 > /dev/null; b2/m 5
