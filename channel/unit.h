// Unit: the element type of a channel whose messages carry no value, Go's
// struct{}. A Chan<Unit> stores no elements, whatever its capacity.
#ifndef MPG_CHANNEL_UNIT_H_
#define MPG_CHANNEL_UNIT_H_

namespace mpg {

struct Unit {
  friend constexpr bool operator==(Unit, Unit) { return true; }
  friend constexpr bool operator!=(Unit, Unit) { return false; }
};

}  // namespace mpg

#endif  // MPG_CHANNEL_UNIT_H_
