#include "base/errno_status.h"

#include <string.h>

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mpg {
namespace {

constexpr absl::string_view kErrnoPayload = "mpg/errno";

}  // namespace

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoPayload);
  int error = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &error)) return 0;
  return error;
}

namespace internal {

std::string ErrnoText(int error) {
  const char* const known = strerrordesc_np(error);
  if (known == nullptr) return absl::StrCat("errno ", error);
  std::string text = known;
  if (text.size() > 1 && absl::ascii_islower(text[1])) {
    text[0] = absl::ascii_tolower(text[0]);
  }
  return text;
}

absl::Status ErrnoStatus(int error, absl::string_view context,
                         absl::string_view call) {
  absl::Status status(absl::ErrnoToStatusCode(error),
                      absl::StrCat(context, context.empty() ? "" : ": ", call,
                                   call.empty() ? "" : ": ", ErrnoText(error)));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  absl::Status result(status.code(),
                      absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& c) {
    result.SetPayload(url, c);
  });
  return result;
}

}  // namespace internal
}  // namespace mpg
