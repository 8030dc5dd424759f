// A goroutine, a channel, and Go's deadlock detection in reserve.
#include <cstdio>
#include <string>

#include "channel/chan.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

int main() {
  return mpg::Main([] {
    auto words = mpg::MakeChan<std::string>();
    for (const char* word : {"Hello", "from", "three goroutines"}) {
      mpg::Go([words, word] { words.Send(word); });
    }
    for (int i = 0; i < 3; ++i) std::printf("%s\n", words.Recv()->c_str());
    return 0;
  });
}
