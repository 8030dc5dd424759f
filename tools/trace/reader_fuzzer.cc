// libFuzzer's entry: whatever the bytes are, reading them ends, with an error or not.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"
#include "tools/trace/timeline.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  mpg::tracetool::TraceReader reader(&in);
  mpg::tracetool::Timeline timeline;
  const absl::Status status =
      timeline.Load(&reader, [](uint64_t) { return true; });
  if (status.ok()) mpg::tracetool::Summary(timeline);
  return 0;
}
