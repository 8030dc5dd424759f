#include "tools/trace/format.h"

#include <array>

namespace mpg {
namespace tracetool {
namespace {

using Table = std::array<EventSpec, 256>;

EventSpec Timed(const char* name, int args, int stack = -1, int string = -1) {
  EventSpec spec;
  spec.name = name;
  spec.timed = true;
  spec.args = args;
  spec.stacks[0] = stack;
  spec.strings[0] = string;
  return spec;
}

EventSpec Creation(const char* name) {
  EventSpec spec = Timed(name, 3, 2);
  spec.stacks[1] = 1;
  return spec;
}

EventSpec Structural(const char* name, int args) {
  EventSpec spec;
  spec.name = name;
  spec.args = args;
  return spec;
}

void AddStructure(Table* t) {
  (*t)[kEvEventBatch] = Structural("EventBatch", 4);
  (*t)[kEvStacks] = Structural("Stacks", 0);
  (*t)[kEvStack] = Structural("Stack", 2);
  (*t)[kEvStrings] = Structural("Strings", 0);
  (*t)[kEvString] = Structural("String", 1);
  (*t)[kEvCpuSamples] = Structural("CPUSamples", 0);
  (*t)[kEvCpuSample] = Structural("CPUSample", 5);
  (*t)[kEvFrequency] = Structural("Frequency", 1);
  (*t)[kEvExperimentalBatch] = Structural("ExperimentalBatch", 4);
}

void AddScheduling(Table* t) {
  (*t)[kEvProcsChange] = Timed("ProcsChange", 2, 1);
  (*t)[kEvProcStart] = Timed("ProcStart", 2);
  (*t)[kEvProcStop] = Timed("ProcStop", 0);
  (*t)[kEvProcSteal] = Timed("ProcSteal", 3);
  (*t)[kEvProcStatus] = Timed("ProcStatus", 2);
  (*t)[kEvGoCreate] = Creation("GoCreate");
  (*t)[kEvGoCreateSyscall] = Timed("GoCreateSyscall", 1);
  (*t)[kEvGoStart] = Timed("GoStart", 2);
  (*t)[kEvGoDestroy] = Timed("GoDestroy", 0);
  (*t)[kEvGoDestroySyscall] = Timed("GoDestroySyscall", 0);
  (*t)[kEvGoStop] = Timed("GoStop", 2, 1, 0);
  (*t)[kEvGoBlock] = Timed("GoBlock", 2, 1, 0);
  (*t)[kEvGoUnblock] = Timed("GoUnblock", 3, 2);
  (*t)[kEvGoSyscallBegin] = Timed("GoSyscallBegin", 2, 1);
  (*t)[kEvGoSyscallEnd] = Timed("GoSyscallEnd", 0);
  (*t)[kEvGoSyscallEndBlocked] = Timed("GoSyscallEndBlocked", 0);
  (*t)[kEvGoStatus] = Timed("GoStatus", 3);
  (*t)[kEvGoSwitch] = Timed("GoSwitch", 2);
  (*t)[kEvGoSwitchDestroy] = Timed("GoSwitchDestroy", 2);
  (*t)[kEvGoCreateBlocked] = Creation("GoCreateBlocked");
  (*t)[kEvGoStatusStack] = Timed("GoStatusStack", 4, 3);
}

void AddWorldAndHeap(Table* t) {
  (*t)[kEvStwBegin] = Timed("STWBegin", 2, 1, 0);
  (*t)[kEvStwEnd] = Timed("STWEnd", 0);
  (*t)[kEvGcActive] = Timed("GCActive", 1);
  (*t)[kEvGcBegin] = Timed("GCBegin", 2, 1);
  (*t)[kEvGcEnd] = Timed("GCEnd", 1);
  (*t)[kEvGcSweepActive] = Timed("GCSweepActive", 1);
  (*t)[kEvGcSweepBegin] = Timed("GCSweepBegin", 1, 0);
  (*t)[kEvGcSweepEnd] = Timed("GCSweepEnd", 2);
  (*t)[kEvGcMarkAssistActive] = Timed("GCMarkAssistActive", 1);
  (*t)[kEvGcMarkAssistBegin] = Timed("GCMarkAssistBegin", 1, 0);
  (*t)[kEvGcMarkAssistEnd] = Timed("GCMarkAssistEnd", 0);
  (*t)[kEvHeapAlloc] = Timed("HeapAlloc", 1);
  (*t)[kEvHeapGoal] = Timed("HeapGoal", 1);
}

void AddAnnotations(Table* t) {
  (*t)[kEvGoLabel] = Timed("GoLabel", 1, -1, 0);
  (*t)[kEvUserTaskBegin] = Timed("UserTaskBegin", 4, 3, 2);
  (*t)[kEvUserTaskEnd] = Timed("UserTaskEnd", 2, 1);
  (*t)[kEvUserRegionBegin] = Timed("UserRegionBegin", 3, 2, 1);
  (*t)[kEvUserRegionEnd] = Timed("UserRegionEnd", 3, 2, 1);
  (*t)[kEvUserLog] = Timed("UserLog", 4, 3, 1);
  (*t)[kEvUserLog].strings[1] = 2;
}

void AddExperiments(Table* t) {
  static constexpr struct {
    const char* name;
    int args;
  } kEvents[] = {
      {"Span", 3},
      {"SpanAlloc", 3},
      {"SpanFree", 1},
      {"HeapObject", 2},
      {"HeapObjectAlloc", 2},
      {"HeapObjectFree", 1},
      {"GoroutineStack", 2},
      {"GoroutineStackAlloc", 2},
      {"GoroutineStackFree", 1},
  };
  int type = kEvExperimentFirst;
  for (const auto& event : kEvents) {
    (*t)[type++] = Timed(event.name, event.args);
  }
}

Table MakeTable() {
  Table table;
  AddStructure(&table);
  AddScheduling(&table);
  AddWorldAndHeap(&table);
  AddAnnotations(&table);
  AddExperiments(&table);
  return table;
}

}  // namespace

const EventSpec& SpecOf(uint8_t type) {
  static const Table& table = *new Table(MakeTable());
  return table[type];
}

}  // namespace tracetool
}  // namespace mpg
