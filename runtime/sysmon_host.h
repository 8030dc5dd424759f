// What sysmon sees and does of a Sched.
#ifndef MPG_RUNTIME_SYSMON_HOST_H_
#define MPG_RUNTIME_SYSMON_HOST_H_

#include <memory>

#include "sysmon/sysmon.h"

namespace mpg {
namespace internal {

struct Sched;

std::unique_ptr<SysmonHost> NewSysmonHost(Sched* sched);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SYSMON_HOST_H_
