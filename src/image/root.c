/* root.c - the one symbol from which everything of the image is reached. */
#include "image/seal.h"

struct pw_root pw_root = {
    .magic = PW_IMAGE_MAGIC,
    .version = PW_IMAGE_VERSION,
    .bytes = sizeof(struct pw_root),
};

extern struct pw_root pwheap_image_root __attribute__((alias("pw_root"), visibility("default")));
