#include "runtime/labels.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/sched.h"

namespace mpg {
namespace pprof {

const std::map<std::string, std::string>& LabelSet::Map() const {
  static const auto* none = new std::map<std::string, std::string>;
  return map_ == nullptr ? *none : *map_;
}

LabelSet LabelSet::With(const LabelSet& more) const {
  if (more.Empty()) return *this;
  if (Empty()) return more;
  auto map = std::make_shared<std::map<std::string, std::string>>(*more.map_);
  map->insert(map_->begin(), map_->end());  // where there is none yet
  LabelSet out;
  out.map_ = std::move(map);
  return out;
}

std::string LabelSet::ToString() const {
  std::string out;
  for (const auto& [key, value] : Map()) {
    absl::StrAppend(&out, out.empty() ? "{\"" : ", \"",
                    absl::Utf8SafeCEscape(key), "\":\"",
                    absl::Utf8SafeCEscape(value), "\"");
  }
  return out.empty() ? out : out + "}";
}

LabelSet Labels(
    std::initializer_list<std::pair<const std::string, std::string>> labels) {
  LabelSet out;
  if (labels.size() == 0) return out;
  auto map = std::make_shared<std::map<std::string, std::string>>();
  // The last one of a key wins, as in Go.
  for (const auto& [key, value] : labels) (*map)[key] = value;
  out.map_ = std::move(map);
  return out;
}

void SetGoroutineLabels(const LabelSet& labels) {
  internal::G* g = internal::CurrentG();
  if (g == nullptr || (labels.Empty() && g->extra == nullptr)) return;
  internal::ExtraOf(g)->labels = labels;
}

LabelSet GoroutineLabels() {
  const internal::G* g = internal::CurrentG();
  return g == nullptr || g->extra == nullptr ? LabelSet() : g->extra->labels;
}

}  // namespace pprof
}  // namespace mpg
