#include "channel/selectgo.h"

#include "channel/selectgo_ops.h"

namespace mpg {
namespace internal {

template SelectResult SelectGo(Sudog* cases, int* order, int n, bool block);

}  // namespace internal
}  // namespace mpg
