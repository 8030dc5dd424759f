#include "tools/trace/function_name.h"

#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mpg {
namespace tracetool {
namespace {

// Template arguments that are kept have at most so many characters.
constexpr size_t kShortArguments = 16;

class Shortener {
 public:
  explicit Shortener(absl::string_view name) : rest_(name) {}

  std::string Run() {
    while (!rest_.empty()) Step();
    return std::move(out_);
  }

 private:
  void Step() {
    if (absl::ConsumePrefix(&rest_, "(anonymous namespace)")) {
      out_ += "(anonymous namespace)";
      return;
    }
    if (EndsInOperator() && TakeOperator()) return;
    switch (rest_[0]) {
      case '(':
        return Parenthesis();
      case '<':
        return Arguments();
      case '{':
        return Brace();
      case '[':
        absl::StrAppend(&out_, TakeGroup());
        return;
      case ' ':
        return Space();
      default:
        out_ += rest_[0];
        rest_.remove_prefix(1);
    }
  }

  bool EndsInOperator() const {
    constexpr absl::string_view kWord = "operator";
    if (!absl::EndsWith(out_, kWord)) return false;
    if (out_.size() == kWord.size()) return true;
    const char before = out_[out_.size() - kWord.size() - 1];
    return !absl::ascii_isalnum(static_cast<unsigned char>(before)) &&
           before != '_';
  }

  // The symbol of an operator function, whose brackets open nothing.
  bool TakeOperator() {
    for (const absl::string_view symbol :
         {"()", "[]", "<=>", "<<=", ">>=", "->*", "->", "<<", ">>",
          "<=", ">=", "<", ">"}) {
      if (!absl::ConsumePrefix(&rest_, symbol)) continue;
      absl::StrAppend(&out_, symbol);
      return true;
    }
    return false;
  }

  // Takes what stands in brackets, with those inside, from the one in front on; to
  // the end of the name, if that was cut.
  absl::string_view TakeGroup() {
    size_t depth = 0, size = 0;
    for (; size < rest_.size(); ++size) {
      const char c = rest_[size];
      if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
      const bool arrow = c == '>' && size > 0 && rest_[size - 1] == '-';
      if ((c == ')' || c == '>' || c == '}' || c == ']') && !arrow &&
          --depth == 0) {
        ++size;
        break;
      }
    }
    const absl::string_view group = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return group;
  }

  void Parenthesis() {
    // Go: main.(*T).Method; C++ has parameters behind a name only.
    const bool receiver = out_.empty() || absl::EndsWith(out_, ".");
    const absl::string_view group = TakeGroup();
    if (receiver) absl::StrAppend(&out_, group);
  }

  void Arguments() {
    const absl::string_view group = TakeGroup();
    const bool plain = group.size() <= kShortArguments + 2 &&
                       absl::EndsWith(group, ">") &&
                       group.find_first_of("<,(", 1) == group.npos;
    absl::StrAppend(&out_, plain ? group : "<...>");
  }

  // {lambda(int)#1}: which of the function's lambdas it is, is told by the number.
  void Brace() {
    absl::string_view group = TakeGroup();
    if (absl::StartsWith(group, "{lambda(")) {
      const size_t number = group.rfind('#');
      group = number == group.npos ? "}" : group.substr(number);
      out_ += "{lambda()";
    }
    absl::StrAppend(&out_, group);
  }

  // Qualifiers follow parameters; otherwise a return type came before.
  void Space() {
    rest_.remove_prefix(1);
    for (const absl::string_view qualifier :
         {"const", "volatile", "noexcept", "&&", "&"}) {
      absl::string_view after = rest_;
      if (absl::ConsumePrefix(&after, qualifier) &&
          (after.empty() || after[0] == ' ' || after[0] == ':')) {
        rest_ = after;
        return;
      }
    }
    if (absl::StartsWith(rest_, "[")) {
      TakeGroup();  // [clone .cold], [with T = int]
    } else if (EndsInOperator()) {
      out_ += ' ';  // operator new, operator bool
    } else if (!absl::StartsWith(rest_, "<")) {
      out_.clear();
    }
  }

  absl::string_view rest_;
  std::string out_;
};

}  // namespace

std::string ShortFunctionName(absl::string_view name) {
  std::string result = Shortener(name).Run();
  return result.empty() ? std::string(name) : result;
}

}  // namespace tracetool
}  // namespace mpg
