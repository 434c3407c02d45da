// Asks ../plan_file.cpp from the command line, for its test:
//   ganvas_cuda_plan_file DEVICE VERSION CONVOLUTION           prints the name of its engine
//   ganvas_cuda_plan_file DEVICE VERSION CONVOLUTION ENGINE    notes it
#include "../plan_file.h"

#include <iostream>

int main(int count, char** arguments) {
  if (count < 4) return 1;
  gv::cuda::PlanFile file(arguments[1], std::stoul(arguments[2]));
  if (count > 4)
    file.add(arguments[3], arguments[4]);
  else
    std::cout << file.find(arguments[3]);
  return 0;
}
