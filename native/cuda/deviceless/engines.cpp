// Which convolutions cuDNN has engines for, asked on a machine without a GPU: the plugin's own graphs
// (../cudnn_graph.cpp), for a device that a file describes.
//
//   ganvas_cuda_engines test/cuda/h100.json < convolutions
//
// A line on standard input is a convolution, as test/cuda/convolutions.ts writes them:
//   forward|inputGrad|weightGrad f32|bf16 tf32|exact none|bias|relu dims n c k groups
//   and then, `dims` numbers each: size, kernel, result, stride, dilation, padding before, padding after
// A line on standard output answers it: the number of engines, how many of them are compiled at run time, and what
// became of the first plan: "ok" or cuDNN's reason. One that is compiled comes as far as loading its kernel, "compiled",
// if LD_LIBRARY_PATH has the stand-in for the driver that test/cuda/stub-driver.sh makes; without it such engines are
// not listed. That takes a good part of a second, so after a few it is "not compiled".
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "../cudnn_graph.h"
#include "../nvrtc.h"

namespace {

using namespace gv;
using namespace gv::cuda;

constexpr int kMostCompiled = 8;

struct Question {
  Convolution convolution;
  bool finish = false;
  Finish how;
};

template <class T>
T oneOf(const std::string& word, std::initializer_list<std::pair<const char*, T>> known) {
  for (const auto& [name, value] : known)
    if (word == name) return value;
  fail("ERR_ARGUMENT", "\"%s\" is not known", word.c_str());
}

Question read(const std::string& line) {
  using Kind = Convolution::Kind;
  std::istringstream in(line);
  std::string kind, dtype, precision, finish;
  Question q;
  Convolution& c = q.convolution;
  in >> kind >> dtype >> precision >> finish >> c.dims >> c.n >> c.c >> c.k >> c.groups;
  if (!in || c.dims < 2 || c.dims > 3) fail("ERR_ARGUMENT", "not a convolution: %s", line.c_str());
  for (int64_t* list : {c.size, c.kernel, c.result, c.stride, c.dilation, c.padBefore, c.padAfter})
    for (int d = 0; d < c.dims; d++) in >> list[d];
  if (!in) fail("ERR_ARGUMENT", "too few numbers: %s", line.c_str());
  c.kind = oneOf<Kind>(
      kind, {{"forward", Kind::Forward}, {"inputGrad", Kind::InputGrad}, {"weightGrad", Kind::WeightGrad}});
  c.dtype = oneOf<DType>(dtype, {{"f32", DType::F32}, {"bf16", DType::BF16}});
  c.tf32 = oneOf<bool>(precision, {{"tf32", true}, {"exact", false}});
  q.finish = oneOf<bool>(finish, {{"none", false}, {"bias", true}, {"relu", true}});
  q.how.relu = finish == "relu";
  return q;
}

void answer(const Question& q, const cudnn::Target& target) {
  const auto graph = cudnn::describe(q.convolution, q.finish ? &q.how : nullptr, target);
  if (!graph) {
    std::cout << "0\t0\tthe graph is refused\n";
    return;
  }
  const auto engines = cudnn::candidates(*graph, q.convolution, target);
  int compiled = 0;
  for (const cudnn::Engine& engine : engines) compiled += engine.compiles;
  static int tried = 0;
  std::string reason = "there is none";
  for (const cudnn::Engine& engine : engines) {
    if (engine.compiles && ++tried > kMostCompiled) {
      reason = "not compiled";
      break;
    }
    if (cudnn::plan(engine, target, &reason)) {
      reason = "ok";
      break;
    }
    if (engine.compiles && reason.find("cuLibraryLoadData") != std::string::npos) {
      reason = "compiled";
      break;
    }
  }
  for (char& letter : reason)
    if (letter == '\n' || letter == '\t') letter = ' ';
  std::cout << engines.size() << '\t' << compiled << '\t' << reason << std::endl;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    std::ifstream file(count == 2 ? arguments[1] : "");
    const std::string json{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (json.empty()) fail("ERR_ARGUMENT", "expected the file that describes a device");
    loadNvrtc();
    const cudnn::Descriptor device = cudnn::deviceFrom(json);
    cudnn::Target target;
    target.properties = &device;
    for (std::string line; std::getline(std::cin, line);)
      if (!line.empty()) answer(read(line), target);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
