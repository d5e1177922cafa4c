/*
 * wire.h - what a worker and its runner say to each other, over a Unix stream socket.
 *
 * A message is 4 bytes of length, least first, then that many bytes of JSON text.
 * Descriptors travel with the first byte of a message (SCM_RIGHTS), at most WIRE_FDS.
 * The sockets block; a deadline is set with SO_RCVTIMEO, or by ending the peer.
 *
 * The words, parent P and runner R:
 *   R {"ready":true,"version":"0.1.0","vips":"8.14.1"}             once, at start; with it may come the descriptor of
 *                                                                  a file of WIRE_LAST_WORDS bytes: what it says
 *                                                                  there when it dies, text that ends with NUL
 *   P {"do":"setup","memory_mb":4096,"file_mb":2112}               before the first run: the sandbox closes
 *   R {"setup":true,"landlock":7,"seccomp":true}                   Landlock's ABI, 0: none
 *   R {"setup":false,"error":{"kind","message"}}                   and it leaves
 *   P {"do":"run","tool","job","step","item","attempt","final","params":{...},"max_pixels",
 *      "inputs":[{"step","item","fd":0,"digest","name","media_type","origin"} | {"step","item","data":...}],
 *      "shared"?:{"steps":3,"fit":[{"width":640,"height":640}]}, other steps read the picture: see sharing.h
 *      "memory"?:40000000, "outputs"?:1}                           "fd" counts the message's descriptors from 0; the last one is
 *                                                                  the first output with "outputs", which is not asked for
 *                                                                  then; so is memory while it is no more than that
 *   R {"ask":"output"}
 *   P {"output":true} + one descriptor, open for reading and writing
 *   P {"output":false,"error":{"kind","message"}}
 *   R {"done_output":true,"index":0,"name","media_type","origin","width","height"}
 *                                                                  index counts the outputs asked for; no answer;
 *                                                                  "origin", "width" and "height" may be missing
 *   R {"ask":"memory","bytes":40000000,"kept"?:9000000,"what":"4000 x 3000 x 1 page x 3 bands = 36000000 bytes"}
 *                                                                  before it decodes; a second question replaces the first.
 *                                                                  "kept": what it has besides, and could do without
 *   P {"memory":true,"keep"?:false}                                when so much is free; "keep": not enough for that as well
 *   P {"memory":false,"error":{"kind","message"}}
 *   R {"ask":"model","backend":"onnx|triton","model":"yolov8n","part":"","version":""}
 *   P {"model":{"name","inputs":[{"name","datatype","shape":[-1,3,640,640]}],"outputs":[...]},"card":{...model.json...},
 *      "dir":"/models/yolov8n","device":"cpu"}
 *   R {"ask":"infer","backend","model","part","version","inputs":[{"name","datatype","shape","bytes"}],"outputs":["output0"],
 *      "keeps":36000000?} + one descriptor: the tensors' bytes, one tensor after the other from its beginning on; the picture was
 *     let go of but for so many bytes
 *   P {"outputs":[{"name","datatype","shape","offset","bytes"}]} + one descriptor, which the offsets are into
 *   P {"error":{"kind","message"}}                                 instead of either answer
 *   R {"end":true,"ok":true,"data":...?}                           the run is over; the next one may come
 *   R {"end":true,"ok":false,"error":{"kind":"reject|retry","message"}}
 * The runner leaves, with status 0, when the parent closes its end.
 *
 * The words of parent P and inference process I, which holds the models of all slots. On the control socket:
 *   I {"ready":true,"version":"0.1.0"}                             once, at start, with the descriptor for its last words
 *   P {"do":"setup","memory_mb":0,"models_mb":4096,"callers":2,"intra_op":1,"batch_max":16,"device":"auto|cpu|cuda","library":""}
 *                                                                  memory_mb: of address space; 0: no limit of either; the
 *                                                                  library's path, or "": where it is usually
 *   I {"setup":true,"device":"cpu","onnxruntime":"1.24.3","landlock":7,"seccomp":true,"note":"CUDA: ..."?}
 *                                                                  note: why not on the device that might be expected
 *   I {"setup":false,"error":{"kind","message"}}                   and it leaves
 *   P {"do":"connect"} + one descriptor: a slot's end of a socket pair; no answer
 *   P {"do":"stats"}
 *   I {"stats":{"rss_mb","models":[{"name","mb","load_ms","runs","used_s_ago"}]}}
 * On the socket of a slot, one question at a time:
 *   P {"do":"describe","name":"clip/image","path":"/models/clip/vision_model.onnx","declared":{"inputs":{...},"outputs":{...}}?,
 *      "max_batch":16?}
 *   P {"do":"infer", the same, "inputs":[{"name","datatype","shape","bytes"}],"outputs":["o"],"alone":false} + one descriptor:
 *      the tensors' bytes as above. "alone": in no batch with others. No "outputs": all
 *   I {"loading":true,"name","bytes":105006}                       first, when the model is not loaded yet: its file's size
 *   I {"model":{"inputs":[...],"outputs":[...]},"device":"cpu","load_ms":0}
 *                                                                  load_ms: 0 when it was loaded before
 *   I {"outputs":[{"name","datatype","shape","offset","bytes"}],"batch":1,"device":"cpu"} + one descriptor
 *                                                                  batch: questions that were one run
 *   I {"error":{"kind","message"}}                                 instead of either answer
 * A slot calls its question off by closing its end. What then does not stop within 2 s, and nobody else waits for, ends the
 * process, with last words. It leaves, with status 0, when the parent closes the control socket.
 */
#ifndef WIRE_H
#define WIRE_H

#include "buf.h"
#include "err.h"

#define WIRE_FDS 32
#define WIRE_LAST_WORDS 512
#define WIRE_MAX (16u << 20)    /* bytes of text in one message */

enum { WIRE_MESSAGE = 0, WIRE_END = 1 };

/* The descriptor that a program was given on its command line, "3"; -1: it is no open socket. */
int wire_socket(const char *arg);

/* Sends text and the descriptors, which stay the caller's. A text over WIRE_MAX or too many
 * descriptors are ERR_REJECT; a peer that is gone is ERR_RETRY. */
int wire_send(int sock, const char *text, size_t len, const int *fds, size_t nfds, struct err *err) must_use;

/* WIRE_MESSAGE: *ret holds the text (what it held before is replaced), fds the *nfds descriptors
 * that came along, close-on-exec and now the caller's; fds has room for WIRE_FDS.
 * With fds NULL, descriptors that come along are closed.
 * WIRE_END: the peer closed its end between two messages. -1: it broke off, or sent nonsense. */
int wire_recv(int sock, struct buf *ret, int *fds, size_t *nfds, struct err *err) must_use;

/* How to wait for a peer that is not trusted to end its messages: called before each read of some of a message, -1 gives up,
 * within the message as well. Left out (NULL), the socket itself waits. */
struct wire_wait {
	int (*until_readable)(void *arg, struct err *err);
	void *arg;
};

/* The same for a JSON value; *ret is a new object (any other JSON is an error). */
int wire_send_json(int sock, const json_t *message, const int *fds, size_t nfds, struct err *err) must_use;
int wire_recv_json(int sock, json_t **ret, int *fds, size_t *nfds, struct err *err) must_use;
int wire_recv_json_wait(int sock, const struct wire_wait *wait, json_t **ret, int *fds, size_t *nfds, struct err *err) must_use;

#endif
