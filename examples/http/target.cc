#include "examples/http/target.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mpg {
namespace examples {
namespace {

bool Decode(absl::string_view text, std::string* out) {
  out->clear();
  while (!text.empty()) {
    if (text[0] != '%') {
      out->push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 3 || !absl::ascii_isxdigit(text[1]) ||
        !absl::ascii_isxdigit(text[2])) {
      return false;
    }
    *out += absl::HexStringToBytes(text.substr(1, 2));
    text.remove_prefix(3);
  }
  return true;
}

}  // namespace

bool TargetPath(absl::string_view target, std::string* path) {
  path->clear();
  target = target.substr(0, target.find_first_of("?#"));
  if (!absl::ConsumePrefix(&target, "/") || !Decode(target, path)) return false;
  if (path->find('\0') != std::string::npos) return false;
  for (const absl::string_view part : absl::StrSplit(*path, '/')) {
    if (part == "..") return false;
  }
  return true;
}

bool TargetParameter(absl::string_view target, absl::string_view name,
                     std::string* value) {
  value->clear();
  target = target.substr(0, target.find('#'));
  const size_t query = target.find('?');
  if (query == target.npos) return false;
  target = target.substr(query + 1);
  for (absl::string_view pair : absl::StrSplit(target, '&')) {
    if (absl::ConsumePrefix(&pair, name) && absl::ConsumePrefix(&pair, "=")) {
      return Decode(pair, value);
    }
  }
  return false;
}

}  // namespace examples
}  // namespace mpg
