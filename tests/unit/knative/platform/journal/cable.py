"""A proxy before a journal service, which can go on taking what is sent and forward nothing."""

import socket
import threading
from contextlib import suppress


class Cable:
    """A proxy before the service: it can go on taking what is sent and forward nothing, as broken ones do."""

    def __init__(self, service):
        self.target = ("127.0.0.1", service.port)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.is_cut = False
        self.count = 0
        self.open = [self.listening]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        with suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                self.count += 1
                far = socket.create_connection(self.target)
                self.open += [near, far]
                for one, other in ((near, far), (far, near)):
                    self.threads.append(threading.Thread(target=self.carry, args=(one, other, self.count)))
                    self.threads[-1].start()

    def carry(self, one, other, number):
        with suppress(OSError):
            while received := one.recv(65536):
                if not (self.is_cut and number == 1):
                    other.sendall(received)
            other.shutdown(socket.SHUT_RDWR)

    def close(self):
        for one in self.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for one in self.open:
            one.close()
