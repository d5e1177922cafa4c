"""What the HTTP servers of the tests are made of."""
import http.server


class WebServer(http.server.ThreadingHTTPServer):
    """Python's own keeps five waiting; on a busy machine more come meanwhile, and have to knock again for seconds."""
    request_queue_size = 128
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass                    # clients that hang up are part of the tests
