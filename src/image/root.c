/* root.c - the one symbol from which everything of the image is reached. */
#include "image/seal.h"

/* Lines of its own, for every call reads it; its pid is written in each child. */
PW_WRITTEN_IN_FORK __attribute__((aligned(1024))) struct pw_root pw_root = {
    .magic = PW_IMAGE_MAGIC,
    .version = PW_IMAGE_VERSION,
    .bytes = sizeof(struct pw_root),
};

extern struct pw_root pwheap_image_root __attribute__((alias("pw_root"), visibility("default")));
