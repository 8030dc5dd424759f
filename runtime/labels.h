// Labels on goroutines: what a goroutine works for, shown in profiles and dumps.
// Go: pprof.Labels, pprof.Do, pprof.SetGoroutineLabels (runtime/pprof).
//
//   mpg::pprof::Do(mpg::pprof::Labels({{"user", name}}), [&] { Serve(request); });
//
// A goroutine gets the labels of the one that starts it by Go. Without labels that
// costs nothing.
//
// Thread safety: a LabelSet is immutable; copies share it. The functions are about
// the calling goroutine; on a thread that runs none (within Syscall, too) setting does
// nothing and there are no labels.
#ifndef MPG_RUNTIME_LABELS_H_
#define MPG_RUNTIME_LABELS_H_

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace mpg {
namespace pprof {

// Values by keys. Copying copies a pointer.
class LabelSet {
 public:
  LabelSet() = default;  // no labels

  bool Empty() const { return map_ == nullptr; }
  // Sorted by key.
  const std::map<std::string, std::string>& Map() const;
  // These labels and those of `more`, which win where both have a key.
  LabelSet With(const LabelSet& more) const;
  // {"key":"value", "key2":"value2"}, as Go writes them; "" if there are none.
  std::string ToString() const;

 private:
  friend LabelSet Labels(
      std::initializer_list<std::pair<const std::string, std::string>>);
  std::shared_ptr<const std::map<std::string, std::string>> map_;
};

LabelSet Labels(
    std::initializer_list<std::pair<const std::string, std::string>> labels);

// The calling goroutine's labels from now on.
void SetGoroutineLabels(const LabelSet& labels);
LabelSet GoroutineLabels();

// Runs f() with `labels` added to the goroutine's own, which it has again afterwards,
// also if an exception or Goexit leaves f. Returns what f returns.
template <class F>
decltype(auto) Do(const LabelSet& labels, F&& f) {
  struct Restorer {
    LabelSet before = GoroutineLabels();
    ~Restorer() { SetGoroutineLabels(before); }
  } restorer;
  SetGoroutineLabels(restorer.before.With(labels));
  return std::forward<F>(f)();
}

}  // namespace pprof
}  // namespace mpg

#endif  // MPG_RUNTIME_LABELS_H_
