/* The face API of the benchmark: one thread, epoll, reads every body to its end, gives one fixed answer.
 *
 *   upstream PORT
 *
 * GET /count answers with the number of other calls so far. SIGUSR1: stop reading; SIGUSR2: go on.
 * It knows Content-Length only; a chunked request gets 411. Single purpose: be much faster than any proxy.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536, HEAD = 8192, BODY = 300 };

struct conn {
    size_t have;             /* bytes of an unfinished head in `head` */
    unsigned long long left; /* bytes of the body still to come */
    int answer_due;
    int counting;
    char head[HEAD];
};

static struct conn *conns[MAX_FD];
static char buffer[256 * 1024];
static char answer[1024];
static size_t answer_size;
static unsigned long long calls;
static volatile sig_atomic_t stalled;

static void on_signal(int number) { stalled = number == SIGUSR1; }

static void drop(int fd) {
    free(conns[fd]);
    conns[fd] = NULL;
    close(fd);
}

static int reply(int fd, struct conn *c) {
    char text[128], body[32];
    const char *out = answer;
    size_t size = answer_size;
    if (c->counting) {
        int n = snprintf(body, sizeof body, "%llu", calls);
        size = (size_t)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body);
        out = text;
    } else {
        calls++;
    }
    c->answer_due = 0;
    return write(fd, out, size) == (ssize_t)size;
}

/* Reads the head's one field that matters. Returns 0 for a request we do not do. */
static int begin(struct conn *c, const char *head, size_t size) {
    const char *end = head + size;
    c->left = 0;
    c->answer_due = 1;
    c->counting = size > 10 && !memcmp(head, "GET /count", 10);
    for (const char *line = head; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next) break;
        if (!strncasecmp(line, "content-length:", 15)) c->left = strtoull(line + 15, NULL, 10);
        if (!strncasecmp(line, "transfer-encoding:", 18)) return 0;
        line = next + 1;
    }
    return 1;
}

/* Takes what was read; 0 means: close the connection. */
static int take(int fd, struct conn *c, const char *data, size_t size) {
    while (size || (c->answer_due && !c->left)) {
        if (c->answer_due) {
            size_t part = c->left < size ? (size_t)c->left : size;
            c->left -= part;
            data += part;
            size -= part;
            if (c->left) return 1;
            if (!reply(fd, c)) return 0;
            continue;
        }
        const char *head = data, *stop;
        size_t before = c->have, room = HEAD - before;
        if (before) { /* go on with a head that came in pieces */
            size_t part = size < room ? size : room;
            memcpy(c->head + before, data, part);
            head = c->head;
            stop = memmem(head, before + part, "\r\n\r\n", 4);
            if (!stop) {
                c->have = before + part;
                return part == size;
            }
        } else if (!(stop = memmem(data, size, "\r\n\r\n", 4))) {
            if (size > HEAD) return 0;
            memcpy(c->head, data, size);
            c->have = size;
            return 1;
        }
        size_t length = (size_t)(stop - head) + 4;
        if (!begin(c, head, length)) {
            static const char no[] = "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            (void)!write(fd, no, sizeof no - 1);
            return 0;
        }
        c->have = 0;
        data += length - before;
        size -= length - before;
    }
    return 1;
}

static void serve(int fd) {
    struct conn *c = conns[fd];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) drop(fd);
            return;
        }
        if (!take(fd, c, buffer, (size_t)n)) {
            drop(fd);
            return;
        }
        if ((size_t)n < sizeof buffer) return;
    }
}

static void welcome(int epoll, int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int one = 1;
        if (fd >= MAX_FD || !(conns[fd] = calloc(1, sizeof(struct conn)))) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    char body[BODY + 1];
    int head = snprintf(body, sizeof body, "{\"FaceMatches\": [], \"padding\": \"");
    memset(body + head, 'x', (size_t)(BODY - head));
    memcpy(body + BODY - 2, "\"}", 3);
    answer_size = (size_t)snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%s", BODY, body);

    signal(SIGPIPE, SIG_IGN);
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGUSR2, &act, NULL);

    int one = 1, epoll = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);

    static struct epoll_event events[512];
    for (;;) {
        if (stalled) {
            pause();
            continue;
        }
        int n = epoll_wait(epoll, events, 512, 100);
        for (int i = 0; i < n && !stalled; i++) {
            if (events[i].data.fd == listener) welcome(epoll, listener);
            else serve(events[i].data.fd);
        }
    }
}
