// For tests of this folder: a parser of trace files that shares no code with
// their writers.
#ifndef MPG_TRACE_TRACE_TEST_UTIL_H_
#define MPG_TRACE_TRACE_TEST_UTIL_H_

#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace mpg {

struct ParsedEvent {
  uint64_t generation, thread, time;
  int type;
  std::vector<uint64_t> args;
};

struct ParsedGeneration {
  uint64_t frequency = 0;
  std::map<uint64_t, std::string> strings;
  std::map<uint64_t, std::vector<std::vector<uint64_t>>> stacks;
};

struct ParsedTrace {
  std::vector<ParsedEvent> events;  // of each thread in order
  std::map<uint64_t, ParsedGeneration> generations;
  int batches = 0;
};

// Throws std::runtime_error if `bytes` is no trace file.
inline ParsedTrace ParseTrace(const std::string& bytes) {
  // Arguments after the time, by type.
  static const std::map<int, int> kArgs = {
      {9, 2},  {10, 2}, {11, 0}, {12, 3}, {13, 2}, {14, 3}, {16, 2}, {17, 0},
      {19, 2}, {20, 2}, {21, 3}, {22, 2}, {23, 0}, {24, 0}, {25, 3}, {26, 2},
      {27, 0}, {40, 4}, {41, 2}, {42, 3}, {43, 3}, {44, 4}};
  size_t at = 0;
  auto byte = [&]() -> uint8_t {
    if (at >= bytes.size()) throw std::runtime_error("cut off");
    return static_cast<uint8_t>(bytes[at++]);
  };
  auto varint = [&] {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t b = byte();
      v |= uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v;
    }
  };
  ParsedTrace out;
  const std::string header("go 1.23 trace\0\0\0", 16);
  if (bytes.substr(0, 16) != header) throw std::runtime_error("header");
  at = 16;
  uint64_t last_generation = 0;
  while (at < bytes.size()) {
    if (byte() != 1) throw std::runtime_error("no batch");
    const uint64_t generation = varint();
    const uint64_t thread = varint();
    uint64_t time = varint();
    const uint64_t size = varint();
    if (size > (64 << 10)) throw std::runtime_error("long batch");
    if (generation < last_generation) throw std::runtime_error("order");
    last_generation = generation;
    ++out.batches;
    const size_t end = at + size;
    ParsedGeneration& g = out.generations[generation];
    const int first = size == 0 ? 0 : bytes[at];
    if (first == 2) {
      ++at;
      while (at < end) {
        if (byte() != 3) throw std::runtime_error("no stack");
        auto& stack = g.stacks[varint()];
        const uint64_t n = varint();
        for (uint64_t i = 0; i < n; ++i) {
          std::vector<uint64_t> frame;
          for (int k = 0; k < 4; ++k) frame.push_back(varint());
          stack.push_back(frame);
        }
      }
    } else if (first == 4) {
      ++at;
      while (at < end) {
        if (byte() != 5) throw std::runtime_error("no string");
        const uint64_t id = varint();
        const uint64_t n = varint();
        g.strings[id] = bytes.substr(at, n);
        at += n;
      }
    } else if (first == 8) {
      ++at;
      if (g.frequency != 0) throw std::runtime_error("two frequencies");
      g.frequency = varint();
    } else {
      while (at < end) {
        const int type = byte();
        const auto args = kArgs.find(type);
        if (args == kArgs.end()) throw std::runtime_error("event type");
        ParsedEvent e{generation, thread, time += varint(), type, {}};
        for (int i = 0; i < args->second; ++i) e.args.push_back(varint());
        out.events.push_back(e);
      }
    }
    if (at != end) throw std::runtime_error("batch length");
  }
  return out;
}

inline std::string ReadTraceFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_TEST_UTIL_H_
