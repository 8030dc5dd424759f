// libFuzzer's entry. The comparison is timer_heap_model.h.
#include <cstddef>
#include <cstdint>

#include "timer/timer_heap_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mpg::timer_test::ModelRun().Run(data, size);
  return 0;
}
