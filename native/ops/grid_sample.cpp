// Shape rules of grid_sample.h.
#include "grid_sample.h"

namespace gv {

GridArgs GridArgs::decode(const Call& call) {
  const int64_t mode = call.integer(0), padding = call.integer(1);
  if (mode < 0 || mode >= int64_t(GridMode::kCount) || padding < 0 || padding >= int64_t(GridPadding::kCount))
    fail("ERR_ARGUMENT", "%s: there is no mode %lld with padding mode %lld", call.name(), (long long)mode,
         (long long)padding);
  return {GridMode(mode), GridPadding(padding), call.integer(2) != 0};
}

namespace ops {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 30;

/** Input `grid` must hold places for `batch` images. */
void expectPlaces(const Call& call, size_t grid, int64_t batch) {
  GridArgs::decode(call);
  call.expectFloat(grid, "grid");
  call.expectRank(grid, 4, "grid");
  const Shape& places = call.in[grid].shape;
  if (places[0] != batch || places[3] != 2)
    fail("ERR_SHAPE", "%s: grid must be [%lld, height, width, 2], got %s", call.name(), (long long)batch,
         places.str().c_str());
}

/** There must be pixels where there are places. */
void expectPixels(const Call& call, int64_t height, int64_t width, const Shape& grid) {
  if (height * width == 0 && grid.size() > 0)
    fail("ERR_SHAPE", "%s: an image of %lld by %lld has no pixels to sample", call.name(), (long long)height,
         (long long)width);
}

}  // namespace

void inferGridSample(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "x");
  call.expectRank(0, 4, "x");
  const Shape &x = call.in[0].shape, &grid = call.in[1].shape;
  expectPlaces(call, 1, x[0]);
  expectPixels(call, x[1], x[2], grid);
  call.emit({grid[0], grid[1], grid[2], x[3]}, call.in[0].dtype);
}

void inferGridInputGrad(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "gy");
  call.expectRank(0, 4, "gy");
  const Shape &gy = call.in[0].shape, &grid = call.in[1].shape;
  expectPlaces(call, 1, gy[0]);
  call.expectShape(0, {grid[0], grid[1], grid[2], gy[3]}, "gy");
  const int64_t height = call.integer(3), width = call.integer(4);
  if (height < 0 || width < 0 || height > kLargestSize || width > kLargestSize)
    fail("ERR_ARGUMENT", "%s: there is no image of %lld by %lld", call.name(), (long long)height, (long long)width);
  expectPixels(call, height, width, grid);
  call.emit({gy[0], height, width, gy[3]}, call.in[0].dtype);
}

void inferGridPlaceGrad(Call& call) {
  call.expectInputs(3);
  call.expectFloat(0, "gy");
  call.expectFloat(1, "x");
  call.expectRank(1, 4, "x");
  const Shape &x = call.in[1].shape, &grid = call.in[2].shape;
  expectPlaces(call, 2, x[0]);
  expectPixels(call, x[1], x[2], grid);
  call.expectShape(0, {grid[0], grid[1], grid[2], x[3]}, "gy");
  call.emit(grid, call.in[2].dtype);
}

}  // namespace ops
}  // namespace gv
