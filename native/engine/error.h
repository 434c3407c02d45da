// The one exception type of the engine. `code` is one of the ERR_* strings that src/errors.ts lists; the
// binding copies it onto the JavaScript error. Nothing else may escape from a command or a binding function.
#pragma once
#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace gv {

struct Error : std::runtime_error {
  Error(const char* c, const std::string& message) : std::runtime_error(message), code(c) {}
  const char* code;
};

// printf-style construction, so that messages can name shapes and numbers in one line.
[[noreturn]] __attribute__((format(printf, 2, 3))) inline void fail(const char* code, const char* format, ...) {
  char text[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  throw Error(code, text);
}

}  // namespace gv
