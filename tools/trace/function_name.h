// Names of functions as people want to read them.
#ifndef MPG_TOOLS_TRACE_FUNCTION_NAME_H_
#define MPG_TOOLS_TRACE_FUNCTION_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace mpg {
namespace tracetool {

// A demangled C++ name without what makes it long: parameters, return type and
// qualifiers go, and so do template arguments, unless they are short and simple.
//
//   void mpg::Go<F, int>(F&&, int&&) [with F = ...]  mpg::Go<...>
//   mpg::Chan<int>::Send(int const&) const           mpg::Chan<int>::Send
//   f(int)::{lambda(char)#2}::operator()(char)       f::{lambda()#2}::operator()
//
// Go's names, with receivers in parentheses and type arguments in brackets, stay as
// they are. So does a name of which nothing would be left.
std::string ShortFunctionName(absl::string_view name);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_FUNCTION_NAME_H_
