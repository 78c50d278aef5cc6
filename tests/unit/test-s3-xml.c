/* S3's XML: pages, errors, results of deletes and uploads; what is refused. */
#include "check.h"

#include <stdlib.h>

#include "backends/object/s3_xml.h"
#include "common/buf.h"
#include "common/err.h"

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static bool note(void *user, const char *key, size_t len, uint64_t size)
{
	struct buf *b = user;

	buf_append(b, key, len);
	buf_printf(b, "=%llu;", (unsigned long long)size);
	return true;
}

static bool note_one(void *user, const char *key, size_t len, uint64_t size)
{
	note(user, key, len, size);
	return false;
}

static void test_pages(void)
{
	static const struct {
		const char *text, *objects, *next;
		uint64_t n_objects, n_prefixes;
	} rows[] = {
		{"<ListBucketResult" NS "><Name>b</Name><Prefix/><KeyCount>0</KeyCount>"
		 "<IsTruncated>false</IsTruncated></ListBucketResult>",
			"", NULL, 0, 0},
		{"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		 "<ListBucketResult><Contents><Key>a</Key><Size>1</Size>"
		 "<Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner></Contents>"
		 "<Contents><Size>22</Size><Key>b</Key></Contents>"
		 "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"
		 "<NextContinuationToken>t&amp;1</NextContinuationToken>"
		 "</ListBucketResult>",
			"a=1;b=22;", "t&1", 2, 1},
		/* encoded, wherever the page says so */
		{"<ListBucketResult><Contents><Key>a%20b+c%2B%01%C3%BC</Key><Size>3</"
		 "Size>"
		 "</Contents><EncodingType>url</EncodingType></ListBucketResult>",
			"a b c+\x01\xc3\xbc=3;", NULL, 1, 0},
		/* not encoded: as it is */
		{"<ListBucketResult><Contents><Key>a%20+&lt;</Key><Size>3</Size>"
		 "</Contents></ListBucketResult>",
			"a%20+<=3;", NULL, 1, 0},
		{"<s:ListBucketResult xmlns:s=\"x\"><s:Contents><s:Key>n</s:Key>"
		 "<s:Size>18446744073709551615</s:Size></s:Contents>"
		 "</s:ListBucketResult>",
			"n=18446744073709551615;", NULL, 1, 0},
		{"<ListBucketResult><Contents><Key></Key><Size>0</Size></Contents>"
		 "</ListBucketResult>",
			"=0;", NULL, 1, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf seen = {0};
		struct object_page page = {0}, counted = {0};
		struct err err = ERR_INIT;
		size_t len = strlen(rows[i].text);

		CHECK(s3_page_parse(rows[i].text, len, note, &seen, &page, &err) == 0,
			"row %zu: %s", i, err.text);
		CHECK_STR(seen.data ? seen.data : "", rows[i].objects);
		CHECK_STR(page.next, rows[i].next);
		CHECK(page.objects == rows[i].n_objects, "row %zu", i);
		CHECK(page.prefixes == rows[i].n_prefixes, "row %zu", i);
		CHECK(s3_page_parse(rows[i].text, len, NULL, NULL, &counted, &err) == 0,
			"row %zu", i);
		CHECK(counted.objects == rows[i].n_objects, "row %zu", i);
		free(page.next);
		free(counted.next);
		buf_finish(&seen);
	}
}

static void test_page_ended(void)
{
	static const char text[] =
		"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>"
		"<Contents><Key>b</Key><Size>1</Size></Contents>"
		"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
	struct buf seen = {0};
	struct object_page page = {0};
	struct err err = ERR_INIT;

	CHECK(s3_page_parse(text, strlen(text), note_one, &seen, &page, &err) == 0, "%s",
		err.text);
	CHECK_STR(seen.data, "a=1;");
	CHECK_STR(page.next, NULL);
	buf_finish(&seen);
}

static void test_no_pages(void)
{
	static const char *const rows[] = {
		"",
		"not XML",
		"<ListBucketResult>",
		"<Error><Code>SlowDown</Code></Error>",
		"<ListBucketResult><Contents><Size>1</Size></Contents></"
		"ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents>"
		"</ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents>"
		"</ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key>"
		"<Size>99999999999999999999</Size></Contents></ListBucketResult>",
		"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%4</"
		"Key>"
		"<Size>1</Size></Contents></ListBucketResult>",
		"<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult></ListBucketResult>",
		"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></"
		"a>"
		"</a></a></a></a></a></a></a></a></a></a></a></a></a>",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object_page page = {0};
		struct buf seen = {0};
		struct err err = ERR_INIT;

		CHECK(s3_page_parse(rows[i], strlen(rows[i]), note, &seen, &page, &err) <
				0,
			"%s", rows[i]);
		CHECK(err.text[0], "%s", rows[i]);
		CHECK(page.next == NULL, "%s", rows[i]);
		buf_finish(&seen);
	}
}

static void test_faults(void)
{
	static const struct {
		const char *text;
		bool is;
		const char *code, *message, *region;
	} rows[] = {
		{"<Error><Code>NoSuchKey</Code><Message>not &lt;here&gt;</Message>"
		 "<Key>k</Key></Error>",
			true, "NoSuchKey", "not <here>", ""},
		{"<?xml version=\"1.0\"?><Error" NS "><Code>AuthorizationHeaderMalformed"
		 "</Code><Region>eu-west-1</Region></Error>",
			true, "AuthorizationHeaderMalformed", "", "eu-west-1"},
		/* cut off in the middle: what came counts */
		{"<Error><Code>SlowDown</Code><Mess", true, "SlowDown", "", ""},
		{"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>", false, "", "",
			""},
		{"<html><Error><Code>x</Code></Error></html>", false, "", "", ""},
		{"", false, "", "", ""},
		{"no xml", false, "", "", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct s3_fault f;

		CHECK(s3_fault_parse(rows[i].text, strlen(rows[i].text), &f) ==
				rows[i].is,
			"%s", rows[i].text);
		CHECK_STR(f.code, rows[i].code);
		CHECK_STR(f.message, rows[i].message);
		CHECK_STR(f.region, rows[i].region);
	}
}

static void test_deleted(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t failed;
		const char *code, *key;
	} rows[] = {
		{"<DeleteResult" NS "/>", 0, 0, "", ""},
		{"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>", 0, 0, "",
			""},
		{"<DeleteResult><Error><Key>a</Key><Code>NoSuchKey</Code></Error>"
		 "<Error><Key>b</Key><Code>AccessDenied</Code></Error>"
		 "<Error><Key>c</Key><Code>InternalError</Code></Error></DeleteResult>",
			0, 2, "AccessDenied", "b"},
		{"<Error><Code>MalformedXML</Code></Error>", -1, 0, "", ""},
		{"", -1, 0, "", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct s3_fault f;
		struct err err = ERR_INIT;
		uint64_t failed = 0;

		CHECK(s3_deleted_parse(rows[i].text, strlen(rows[i].text), &failed, &f,
			      &err) == rows[i].rc,
			"%s", rows[i].text);
		CHECK(failed == rows[i].failed, "%s", rows[i].text);
		CHECK_STR(f.code, rows[i].code);
		CHECK_STR(f.key, rows[i].key);
	}
}

static void test_elements(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"<InitiateMultipartUploadResult><Bucket>b</Bucket>"
		 "<UploadId>2~x/+=</UploadId></InitiateMultipartUploadResult>",
			"2~x/+="},
		{"<InitiateMultipartUploadResult><UploadId/>"
		 "</InitiateMultipartUploadResult>",
			NULL},
		{"<InitiateMultipartUploadResult></InitiateMultipartUploadResult>", NULL},
		{"<Other><UploadId>a</UploadId></Other>", NULL},
		{"<InitiateMultipartUploadResult><UploadId>a</UploadId>", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		char *got = s3_element_parse(rows[i].text, strlen(rows[i].text),
			"InitiateMultipartUploadResult", "UploadId", &err);

		CHECK_STR(got, rows[i].want);
		free(got);
	}
}

TEST_MAIN(TEST(test_pages), TEST(test_page_ended), TEST(test_no_pages), TEST(test_faults),
	TEST(test_deleted), TEST(test_elements))
