// The size of the images that networks are made for.

export interface ImageDims {
  height: number;
  width: number;
  channels: number;
  /** How many classes the images have; undefined if none. */
  classes?: number;
}
