#include "channel/select.h"

#include <memory>

#include "absl/base/attributes.h"
#include "absl/types/span.h"
#include "base/panic.h"
#include "channel/selectgo.h"
#include "channel/sudog.h"

namespace mpg {
namespace {

// What a Select of n cases needs while it blocks.
struct Room {
  internal::Sudog* sudogs;
  int* order;
  int* argument;  // which of the caller's cases each Sudog stands for
};

template <int kCases, class F>
ABSL_ATTRIBUTE_NOINLINE int WithRoomOnStack(F select) {
  internal::Sudog sudogs[kCases];
  int order[kCases];
  int argument[kCases];
  return select(Room{sudogs, order, argument});
}

template <class F>
ABSL_ATTRIBUTE_NOINLINE int WithRoomOnHeap(size_t n, F select) {
  const auto sudogs = std::make_unique<internal::Sudog[]>(n);
  const auto indices = std::make_unique<int[]>(2 * n);
  return select(Room{sudogs.get(), indices.get(), indices.get() + n});
}

}  // namespace

int Select(absl::Span<SelectCase> cases) {
  bool ok = false;
  // Returns the index of the chosen case.
  const auto select = [&](const Room& room) {
    int n = 0;
    int default_at = -1;
    for (size_t i = 0; i < cases.size(); ++i) {
      if (cases[i].kept_->Prepare(&room.sudogs[n])) {
        room.argument[n++] = static_cast<int>(i);
      } else if (default_at < 0) {
        default_at = static_cast<int>(i);
      } else {
        throw Panic("select: more than one default");
      }
    }
    const internal::SelectResult result =
        internal::SelectGo(room.sudogs, room.order, n, default_at < 0);
    ok = result.ok;
    return result.index < 0 ? default_at : room.argument[result.index];
  };
  // A blocked goroutine's stack should stay within a page, so no more room is
  // taken than a few cases need.
  const size_t n = cases.size();
  const int chosen = n <= 4    ? WithRoomOnStack<4>(select)
                     : n <= 16 ? WithRoomOnStack<16>(select)
                               : WithRoomOnHeap(n, select);
  cases[chosen].kept_->Run(ok);
  return chosen;
}

}  // namespace mpg
