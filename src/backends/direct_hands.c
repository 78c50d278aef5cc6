/* direct_hands: threads that do what blocks, for one engine thread: it gives ops, hears of ends through an
 * eventfd that its ring reads, and takes them. There are as many as have been busy at once. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/direct.h"
#include "common/err.h"

#define STACK_BYTES (256u * 1024u)

/* The next op, NULL: there will be none. Called with the lock. */
static struct io *next_op(struct direct_hands *h)
{
	struct io *io;

	h->idle++;
	while (!h->queue.head && !h->quit)
		pthread_cond_wait(&h->given, &h->lock);
	h->idle--;
	if (!h->queue.head)
		return NULL;
	io = io_list_take(&h->queue);
	h->queued--;
	return io;
}

/* Called with the lock. */
static void put_done(struct direct_hands *h, struct io *io)
{
	static const uint64_t one = 1;
	bool first = !h->done;

	io->next = h->done;
	h->done = io;
	/* the counter cannot be full, and there is nobody to tell of anything else */
	if (first && write(h->event, &one, sizeof(one)) < 0)
		return;
}

static void refuse(struct direct_hands *h, struct io *io, int errnum)
{
	io->start_ns = io->end_ns = clock_ns();
	direct_judge(&h->job, io, errnum);
}

/* What the engine records of pages it records on its own thread. One that there is no memory for is left
 * out. */
static void keep_page(
	void *hands, const struct io *io, uint64_t start_ns, uint64_t end_ns)
{
	struct direct_hands *h = hands;
	struct direct_page *page = malloc(sizeof(*page));

	if (!page)
		return;
	*page = (struct direct_page){.io = io, .start_ns = start_ns, .end_ns = end_ns};
	pthread_mutex_lock(&h->lock);
	*h->pages_tail = page;
	h->pages_tail = &page->next;
	pthread_mutex_unlock(&h->lock);
}

static void *hand_main(void *arg)
{
	struct direct_hands *h = arg;
	struct file_thread t = {0};
	struct err err = ERR_INIT;
	bool ok = file_thread_begin(&t, &h->job.file, h, &err) == 0;
	struct io *io;

	pthread_mutex_lock(&h->lock);
	while ((io = next_op(h))) {
		pthread_mutex_unlock(&h->lock);
		if (ok)
			direct_sync_run(&t, io);
		else
			refuse(h, io, ENOMEM);
		pthread_mutex_lock(&h->lock);
		put_done(h, io);
	}
	pthread_mutex_unlock(&h->lock);
	file_thread_end(&t);
	return NULL;
}

int direct_hands_init(struct direct_hands *h, const struct direct_job *job, uint32_t most,
	struct err *err)
{
	*h = (struct direct_hands){.job = *job, .most = most, .made = true};
	h->job.file.page = keep_page;
	h->job.file.keeps = 1; /* ranges are the ring's */
	io_list_init(&h->queue);
	h->pages_tail = &h->pages;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->given, NULL);
	h->event = eventfd(0, EFD_CLOEXEC);
	if (h->event < 0)
		return err_sys(err, errno, "cannot make an eventfd");
	h->ids = calloc(most, sizeof(*h->ids));
	return h->ids ? 0 : err_sys(err, ENOMEM, "no memory for %u threads", most);
}

void direct_hands_fini(struct direct_hands *h)
{
	if (!h->made)
		return;
	pthread_mutex_lock(&h->lock);
	h->quit = true;
	pthread_cond_broadcast(&h->given);
	pthread_mutex_unlock(&h->lock);
	for (uint32_t i = 0; i < h->n; i++)
		pthread_join(h->ids[i], NULL);
	pthread_cond_destroy(&h->given);
	pthread_mutex_destroy(&h->lock);
	if (h->event >= 0)
		close(h->event);
	for (struct direct_page *p = h->pages, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	free(h->ids);
	*h = (struct direct_hands){0};
}

/* One more thread. False: the system allows no more. Called with the lock. */
static bool start(struct direct_hands *h)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&h->ids[h->n], &attr, hand_main, h);
	pthread_attr_destroy(&attr);
	h->n += rc == 0;
	return rc == 0;
}

void direct_hands_give(struct direct_hands *h, struct io *io)
{
	pthread_mutex_lock(&h->lock);
	io->next = NULL;
	io_list_add(&h->queue, io);
	h->queued++;
	if (h->queued > h->idle && h->n < h->most && !start(h) && h->n == 0) {
		io_list_init(&h->queue);
		h->queued = 0;
		refuse(h, io, EAGAIN);
		put_done(h, io);
	}
	pthread_cond_signal(&h->given);
	pthread_mutex_unlock(&h->lock);
}

struct io *direct_hands_take(struct direct_hands *h, struct direct_page **ret_pages)
{
	struct io *done;

	pthread_mutex_lock(&h->lock);
	done = h->done;
	h->done = NULL;
	*ret_pages = h->pages;
	h->pages = NULL;
	h->pages_tail = &h->pages;
	pthread_mutex_unlock(&h->lock);
	return done;
}

struct io *direct_hands_give_up(struct direct_hands *h)
{
	struct io *queue;

	pthread_mutex_lock(&h->lock);
	queue = h->queue.head;
	io_list_init(&h->queue);
	h->queued = 0;
	pthread_mutex_unlock(&h->lock);
	return queue;
}
