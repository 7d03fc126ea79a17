/* A program that does everything by io_uring: connects to itself, sends, receives, closes. */
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ring;
static unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

static void push(int opcode, int fd, const void *address, unsigned len, unsigned long long off,
                 unsigned long long user_data) {
    unsigned tail = *sq_tail, index = tail & *sq_mask;
    struct io_uring_sqe *sqe = &sqes[index];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->addr = (unsigned long)address;
    sqe->len = len;
    sqe->off = off;
    sqe->user_data = user_data;
    sq_array[index] = index;
    __atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Submits `count` calls, waits for as many, and returns the result of the one with `user_data`. */
static int enter(unsigned count, unsigned long long user_data) {
    if (syscall(__NR_io_uring_enter, ring, count, count, IORING_ENTER_GETEVENTS, 0, 0) < 0) exit(10);
    int result = -1000;
    while (*cq_head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE)) {
        struct io_uring_cqe *cqe = &cqes[*cq_head & *cq_mask];
        if (cqe->user_data == user_data) result = cqe->res;
        __atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
    }
    return result;
}

int main(void) {
    struct io_uring_params p = {0};
    ring = syscall(__NR_io_uring_setup, 8, &p);
    if (ring < 0) return 77;
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, 3, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof *cqes, 3, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    sqes = mmap(0, p.sq_entries * sizeof *sqes, 3, MAP_SHARED, ring, IORING_OFF_SQES);
    sq_tail = (void *)(sq + p.sq_off.tail);
    sq_mask = (void *)(sq + p.sq_off.ring_mask);
    sq_array = (void *)(sq + p.sq_off.array);
    cq_head = (void *)(cq + p.cq_off.head);
    cq_tail = (void *)(cq + p.cq_off.tail);
    cq_mask = (void *)(cq + p.cq_off.ring_mask);
    cqes = (void *)(cq + p.cq_off.cqes);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (bind(listener, (void *)&at, len) || listen(listener, 5)) return 2;
    getsockname(listener, (void *)&at, &len);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    push(IORING_OP_ACCEPT, listener, 0, 0, 0, 1);
    push(IORING_OP_CONNECT, client, &at, 0, len, 2);
    int server = enter(2, 1);
    if (server < 0) return 3;

    char room[64] = "";
    push(IORING_OP_RECV, server, room, sizeof room, 0, 3);
    push(IORING_OP_SEND, client, "hello ring", 10, 0, 4);
    if (enter(2, 3) != 10) return 4;
    push(IORING_OP_WRITE, server, room, 5, -1, 5);
    push(IORING_OP_READ, client, room, 30, -1, 5);
    enter(2, 5);
    if (memcmp(room, "hello ring", 10)) return 5;
    push(IORING_OP_SHUTDOWN, client, 0, SHUT_WR, 0, 6);
    push(IORING_OP_RECV, server, room, sizeof room, 0, 7);
    if (enter(2, 7) != 0) return 6;
    push(IORING_OP_CLOSE, client, 0, 0, 0, 8);
    push(IORING_OP_CLOSE, server, 0, 0, 0, 9);
    return enter(2, 9);
}
