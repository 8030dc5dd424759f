// `trace serve`: a trace as a page in the browser, over HTTP.
//
//   /                                     the page, and its parts beside it
//   /api/state                            how far loading is; the overview
//   /api/window?from=&to=&width=&first=&last=    see View::Window
//   /api/stretch?id=   /api/stretch?p=&at=       see View::Stretch; null: nothing ran there
//   /api/search?q=&from=&back=1                  see View::Search
//
// The answers under /api are for the page, and change with it.
#ifndef MPG_TOOLS_TRACE_SERVE_H_
#define MPG_TOOLS_TRACE_SERVE_H_

#include <atomic>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "examples/http/http_server.h"
#include "tools/trace/timeline.h"
#include "tools/trace/view.h"

namespace mpg {
namespace tracetool {

// A file that is being loaded or has been.
//
// Thread safety: Load once, by one thread; the others by any.
class Session {
 public:
  // `size` of the file, in bytes, for showing how far Load is.
  Session(std::string file, uint64_t size);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Blocks the thread, for as long as it takes. What could be read of a damaged file
  // is shown, with the error.
  absl::Status Load(std::istream* in);
  // Makes Load return soon.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // The file was not read to its end, or what is there is no trace.
  bool failed() const;

  // Answers a request, at once.
  void Handle(const examples::Request& request, examples::Response* response);

 private:
  std::string State() const;

  const std::string file_;
  const uint64_t size_;
  std::atomic<bool> cancelled_{false};
  std::atomic<uint64_t> read_{0};  // written by Load; shown
  // Written by Load before it sets loaded_.
  Timeline timeline_;
  absl::Status status_;
  std::optional<View> view_;
  // Release in Load; pairs with the acquires of the others.
  std::atomic<bool> loaded_{false};
};

// Serves the trace at `address` until SIGINT or SIGTERM, and loads it meanwhile. The
// URL goes to stdout, errors to stderr. Returns the program's exit status. Runs an mpg
// Runtime of its own.
int Serve(const std::string& address, const std::string& file,
          std::unique_ptr<std::istream> in, uint64_t size);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_SERVE_H_
