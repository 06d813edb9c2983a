#!/bin/bash
# Needs: g++
cat > m.cc <<'C'
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
struct Noisy { std::string n; ~Noisy() { std::cout << "gone " << n << "\n"; } };
int deep(int n) { Noisy x{std::to_string(n)}; if (n == 0) throw std::runtime_error("thrown"); return deep(n - 1) + 1; }
int main() {
  std::mutex m; std::condition_variable cv; std::queue<int> q; long sum = 0; std::atomic<int> count{0}; bool done = false;
  std::thread consumer([&] { std::unique_lock l(m); for (;;) { cv.wait(l, [&] { return done || !q.empty(); }); while (!q.empty()) { sum += q.front(); q.pop(); } if (done) break; } });
  std::vector<std::thread> producers;
  for (int i = 0; i < 8; i++) producers.emplace_back([&, i] { for (int j = 0; j < 100; j++) { { std::lock_guard g(m); q.push(i * j); } cv.notify_one(); count++; } });
  for (auto &t : producers) t.join();
  { std::lock_guard g(m); done = true; } cv.notify_all(); consumer.join();
  std::cout << sum << " " << count << "\n";
  auto f = std::async(std::launch::async, [] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); return 42; }); std::cout << f.get() << "\n";
  try { std::async(std::launch::async, []() -> int { throw std::logic_error("in a thread"); }).get(); } catch (const std::exception &e) { std::cout << e.what() << "\n"; }
  try { deep(3); } catch (const std::runtime_error &e) { std::cout << e.what() << "\n"; }
  try { std::vector<int>(2).at(5); } catch (const std::out_of_range &) { std::cout << "range\n"; }
  try { auto p = new char[1ul << 62]; std::cout << (void *)p; } catch (const std::bad_alloc &) { std::cout << "bad_alloc\n"; }
  std::shared_mutex sm; std::vector<std::thread> rs; for (int i = 0; i < 4; i++) rs.emplace_back([&] { std::shared_lock l(sm); count++; }); for (auto &t : rs) t.join(); std::cout << count << "\n";
  namespace fs = std::filesystem; fs::create_directories("fs/a/b"); std::ofstream("fs/a/f") << "text"; for (auto &e : fs::recursive_directory_iterator("fs")) count += 1; std::cout << count << " " << fs::file_size("fs/a/f") << " " << fs::remove_all("fs") << "\n";
  std::map<std::string, int> words; std::istringstream in("the cat the dog"); for (std::string w; in >> w;) words[w]++; for (auto &[w, n] : words) std::cout << w << n << " "; std::cout << "\n";
  thread_local int tl = 1; std::thread([&] { tl = 9; }).join(); std::cout << tl << "\n";
  std::cerr << "to stderr\n"; std::set_terminate([] { std::puts("terminate"); std::_Exit(9); }); throw 1;
}
C
for flags in -O0 '-O1 -flto -static'; do g++ -std=c++17 -pthread $flags m.cc -o m && ./m; echo "$flags $?"; done
printf '#include <thread>\n#include <iostream>\nint main(){std::jthread t([]{std::cout<<"jthread\\n";});}' > j.cc; g++ -std=c++20 -pthread j.cc -o j && ./j; echo 'int main(){throw 1;}' > t.cc; g++ t.cc -o t; { ./t; } 2>/dev/null; echo $?; g++ -c -x c++ - -o /dev/null <<< 'int f() { return undefined_name; }' 2>&1
