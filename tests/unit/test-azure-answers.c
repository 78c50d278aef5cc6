/* azure-answers: what Azure Blob Storage answers: pages, blocks, copies, batches, errors. */
#include <inttypes.h>
#include <stdlib.h>

#include "azure-data.h"
#include "backends/object/azure_xml.h"
#include "backends/object/batch.h"
#include "common/cleanup.h"
#include "common/text.h"

static const char page[] =
	"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>"
	"<EnumerationResults><Blobs>"
	"<Blob><Name>a/b &amp; c</Name><Properties><Content-Length>5</Content-Length>"
	"</Properties></Blob>"
	"<Blob><Name Encoded=\"true\">x%EF%BF%BE</Name><Properties>"
	"<Content-Length>18446744073709551615</Content-Length></Properties></Blob>"
	"<Blob><Name>dir</Name><Properties><ResourceType>directory</ResourceType>"
	"<Content-Length>0</Content-Length></Properties></Blob>"
	"<BlobPrefix><Name>p/</Name></BlobPrefix>"
	"</Blobs><NextMarker>m1</NextMarker></EnumerationResults>";

static bool take(const struct list_entry *e, void *user)
{
	struct buf *b = user;

	return buf_printf(b, "%s %" PRIu64 "\n", e->uri, e->size) == 0;
}

static bool take_one(const struct list_entry *e, void *user)
{
	take(e, user);
	return false;
}

static void test_pages(void)
{
	const struct io list = {.kind = OP_LIST, .uri = "az://acc/box/"};
	struct buf found CLEANUP(buf_finish) = BUF_INIT;
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &list);
	CHECK(rig_response(&r, 200, "", page) == OBJECT_AGAIN);
	CHECK(r.io.entries == 3);
	CHECK_STR(r.op->token, "m1");
	CHECK(rig_tell(&r, "az://acc/box/", take, &found) == 1);
	CHECK_STR(found.data, "az://acc/box/a/b & c 5\n"
			      "az://acc/box/x\xef\xbf\xbe 18446744073709551615\n");
	buf_clear(&found);
	CHECK(rig_tell(&r, "az://acc/box/", take_one, &found) == 0);
	CHECK_STR(found.data, "az://acc/box/a/b & c 5\n");
	CHECK(rig_response(&r, 200, "",
		      "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>") ==
		OBJECT_DONE);
	CHECK(r.io.entries == 3 && r.op->token == NULL && r.io.error == OP_OK);
	CHECK(rig_response(&r, 200, "", "<html>") == OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_pages_refused(void)
{
	static const char *const rows[] = {"", "x", "<a/>", "<EnumerationResults>",
		"<!DOCTYPE x [<!ENTITY y "
		"'z'>]><EnumerationResults>&y;</EnumerationResults>",
		"<EnumerationResults><Blobs><Blob></Blob></Blobs></EnumerationResults>",
		"<EnumerationResults><Blob><Name>a</Name><Content-Length>-1"
		"</Content-Length></Blob></EnumerationResults>",
		"<EnumerationResults><Blob><Name Encoded=\"true\">%zz</Name></Blob>"
		"</EnumerationResults>",
		"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_page p = {.next = NULL};
		struct err err = ERR_INIT;

		CHECK(azure_page_parse(rows[i], strlen(rows[i]), NULL, NULL, &p, &err) <
				0,
			"%s", rows[i]);
		CHECK(*err.text && !p.next, "%s", rows[i]);
	}
}

static void test_parts(void)
{
	const struct io put = {.kind = OP_MULTIPART_PUT,
		.uri = "az://acc/box/k",
		.size = 25,
		.part_size = 10};
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &put);
	for (uint32_t part = 1; part <= 3; part++) {
		CHECK(r.op->step == OBJECT_PART && r.op->part == part);
		rig_request(&r);
		CHECK(r.op->ex.body_size == (part < 3 ? 10 : 5));
		CHECK(rig_response(&r, 201, "", "") == OBJECT_AGAIN);
	}
	CHECK(r.op->step == OBJECT_COMPLETE && r.op->at == 25);
	rig_request(&r);
	CHECK_STR(r.op->text.data,
		"<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>"
		"<Latest>bTAwMDAwMDAx</Latest><Latest>bTAwMDAwMDAy</Latest>"
		"<Latest>bTAwMDAwMDAz</Latest></BlockList>");
	CHECK(rig_response(&r, 201, "", "") == OBJECT_DONE);
	/* blocks that no list names need no request to go away */
	r.op->step = OBJECT_ABORT;
	CHECK(text_starts_with(rig_request(&r), "error:"));
	rig_end(&r);
}

static void test_copies(void)
{
	const struct io copy = {.kind = OP_COPY,
		.uri = "az://acc/box/k",
		.to = "az://acc/box/l",
		.size = UINT64_MAX};
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &copy);
	CHECK(rig_response(&r, 202, "x-ms-copy-status: success\r\n", "") == OBJECT_DONE);
	CHECK(r.io.error == OP_OK);
	for (int i = 0; i < 2; i++) {
		r.op->again_ns = 0;
		CHECK(rig_response(&r, 202, "x-ms-copy-status: pending\r\n", "") ==
			OBJECT_AGAIN);
		CHECK(r.op->step == OBJECT_COMPLETE && r.op->again_ns);
	}
	CHECK(rig_response(&r, 200,
		      "x-ms-copy-status: failed\r\n"
		      "x-ms-copy-status-description: 500 Copy failed.\r\n",
		      "") == OBJECT_DONE);
	CHECK(r.io.error == OP_ERR_IO && strstr(r.io.error_text, "500 Copy failed."),
		"%s", r.io.error_text);
	rig_end(&r);
}

static void test_batches(void)
{
	const struct io two = {.kind = OP_DELETE,
		.uri = "az://acc/box/a",
		.more = "az://acc/box/b\0az://acc/box/c d",
		.n_more = 2};
	static const char
		good[] = "--x\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
			 "HTTP/1.1 202 Accepted\r\nx-ms-version: 1\r\n\r\n\r\n"
			 "--x\r\nContent-ID: 1\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n\r\n"
			 "--x\r\nContent-ID: 2\r\n\r\n",
		missing[] =
			"HTTP/1.1 404 The specified blob does not exist.\r\n"
			"x-ms-error-code: BlobNotFound\r\n\r\n"
			"<?xml version=\"1.0\" "
			"encoding=\"utf-8\"?>\n<Error><Code>BlobNotFound"
			"</Code><Message>The specified blob does not exist.\nRequestId:1"
			"</Message></Error>\r\n--x--\r\n";
	AUTO_FREE char *all =
		text_printf("%sHTTP/1.1 202 Accepted\r\n\r\n--x--\r\n", good);
	AUTO_FREE char *some = text_printf("%s%s", good, missing);
	struct object_error e;
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &two);
	CHECK(text_starts_with(rig_request(&r),
		      "POST /acc/box?comp=batch&restype=container HTTP/1.1\r\n"),
		"%s", r.head);
	CHECK(strstr(r.head, "\r\nContent-Type: " BATCH_CONTENT_TYPE "\r\n"));
	CHECK(r.op->text.len &&
			strstr(r.op->text.data, "\r\nContent-ID: 2\r\n\r\nDELETE "
						"/acc/box/c%20d HTTP/1.1\r\nx-ms-date: "),
		"%s", r.op->text.data);
	CHECK(rig_response(&r, 202, "", all) == OBJECT_DONE);
	CHECK(r.io.entries == 3 && r.io.error == OP_OK);
	CHECK(rig_response(&r, 202, "", some) == OBJECT_FAILED);
	CHECK(r.io.entries == 2);
	e = rig_error(&r, 202, "", some);
	CHECK(e.error == OP_ERR_NOT_FOUND && !e.retry);
	CHECK_STR(e.code, "BlobNotFound");
	CHECK_STR(e.message, "The specified blob does not exist.");
	CHECK(rig_response(&r, 202, "", "--x\r\n\r\nHTTP/1.1 202 A\r\n\r\n--x--") ==
		OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_errors(void)
{
	static const struct {
		int status;
		const char *fields, *body, *code, *message;
		enum op_error error;
		bool retry, hint;
	} rows[] = {
		{404, "x-ms-error-code: ContainerNotFound\r\n", "", "ContainerNotFound",
			"", OP_ERR_NOT_FOUND, false, true},
		{404, "",
			"<Error><Code>BlobNotFound</Code><Message>No.\nTime:1</Message>"
			"</Error>",
			"BlobNotFound", "No.", OP_ERR_NOT_FOUND, false, false},
		{503, "", "<Error><Code>ServerBusy</Code></Error>", "ServerBusy", "",
			OP_ERR_THROTTLED, true, false},
		{500, "", "<Error><Code>OperationTimedOut</Code></Error>",
			"OperationTimedOut", "", OP_ERR_TIMEOUT, true, false},
		{403, "",
			"<Error><Code>AuthenticationFailed</Code><Message>No.\nx</"
			"Message>"
			"<AuthenticationErrorDetail>The MAC signature found in the HTTP "
			"request "
			"'secret' is not the same</AuthenticationErrorDetail></Error>",
			"AuthenticationFailed", "No.", OP_ERR_DENIED, false, true},
		{403, "",
			"<Error><Code>AuthenticationFailed</Code><Message>No.</Message>"
			"<AuthenticationErrorDetail>Signature not valid in the specified "
			"time "
			"frame</AuthenticationErrorDetail></Error>",
			"AuthenticationFailed",
			"No. Signature not valid in the specified time frame",
			OP_ERR_DENIED, false, true},
		{502, "", "<html>\x1b[31m", "", "", OP_ERR_IO, true, false},
		{400, "",
			"<Error><Code>Od\x1b"
			"d</Code>",
			"", "", OP_ERR_OTHER, false, false},
	};
	const struct io get = {.kind = OP_GET, .uri = "az://acc/box/k"};
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &get);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_error e =
			rig_error(&r, rows[i].status, rows[i].fields, rows[i].body);

		CHECK_STR(e.code, rows[i].code);
		CHECK_STR(e.message, rows[i].message);
		CHECK(e.error == rows[i].error && e.retry == rows[i].retry &&
				(e.hint != NULL) == rows[i].hint,
			"row %zu: %s, retry %d, hint %s", i, op_error_names[e.error],
			e.retry, e.hint ? e.hint : "none");
	}
	rig_end(&r);
}

TEST_MAIN(TEST(test_pages), TEST(test_pages_refused), TEST(test_parts), TEST(test_copies),
	TEST(test_batches), TEST(test_errors))
