#include "profile.h"

#include <cstdio>
#include <cstdlib>

namespace gv {

Profile* Profile::get() {
  static Profile* const profile = []() -> Profile* {
    const char* path = std::getenv("GANVAS_PROFILE");
    if (!path || !*path) return nullptr;
    auto* made = new Profile(path);
    std::atexit([] { Profile::get()->write(); });
    return made;
  }();
  return profile;
}

void Profile::add(const Call& call, Clock::time_point begin, Clock::time_point end) {
  std::string shapes;
  for (const Tensor& t : call.in) shapes += (shapes.empty() ? "" : " ") + t.shape.str();
  shapes += " ->";
  for (const Tensor& t : call.out) shapes += " " + t.shape.str();
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back({call.name(), std::move(shapes), begin, end});
}

void Profile::add(const char* name, Clock::time_point begin, Clock::time_point end) {
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back({name, "", begin, end});
}

void Profile::write() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::FILE* file = std::fopen(path_.c_str(), "w");
  if (!file) {
    std::fprintf(stderr, "ganvas: GANVAS_PROFILE: cannot write %s\n", path_.c_str());
    return;
  }
  const auto micros = [](Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); };
  std::fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", file);
  std::fputs("{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"cpu stream\"}}", file);
  for (const Event& e : events_) {
    // Names and shapes hold no character that JSON would need escaped.
    std::fprintf(file, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"%s\",\"ts\":%.1f,\"dur\":%.1f,\"args\":{\"shapes\":\"%s\"}}",
                 e.name.c_str(), micros(e.begin - origin_), micros(e.end - e.begin), e.shapes.c_str());
  }
  std::fputs("\n]}\n", file);
  std::fclose(file);
}

}  // namespace gv
