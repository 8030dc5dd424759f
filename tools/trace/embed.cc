// embed OUT.cc FILE...
//
// Writes the C++ source of FindAsset (assets.h): the files' bytes as string literals,
// by the names that they have without folders. A build tool.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

namespace {

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// In pieces of a line each. Octal, with all three digits: the character that follows
// cannot be taken for one of them. '?': no trigraphs.
std::string Literal(const std::string& bytes) {
  std::string out = "\"";
  size_t column = 0;
  for (const char c : bytes) {
    if (++column % 100 == 0) out += "\"\n    \"";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '?') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      char text[5];
      std::snprintf(text, sizeof(text), "\\%03o", byte);
      out += text;
    }
  }
  return out + '"';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: embed OUT.cc FILE...\n";
    return 2;
  }
  std::ofstream out(argv[1]);
  out << "#include \"tools/trace/assets.h\"\n\n"
         "namespace mpg {\nnamespace tracetool {\nnamespace {\n\n"
         "constexpr Asset kAssets[] = {\n";
  for (int i = 2; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)),
                            std::istreambuf_iterator<char>());
    if (!in) {
      std::cerr << "embed: cannot read " << argv[i] << "\n";
      return 1;
    }
    out << "    {\"" << NameOf(argv[i]) << "\",\n    {" << Literal(bytes)
        << ", " << bytes.size() << "}},\n";
  }
  out << "};\n\n}  // namespace\n\n"
         "const Asset* FindAsset(absl::string_view name) {\n"
         "  for (const Asset& asset : kAssets) {\n"
         "    if (asset.name == name) return &asset;\n  }\n"
         "  return nullptr;\n}\n\n"
         "}  // namespace tracetool\n}  // namespace mpg\n";
  out.close();
  if (!out) {
    std::cerr << "embed: cannot write " << argv[1] << "\n";
    return 1;
  }
  return 0;
}
